"""The root certificate of an index that certifies itself, and how clients come to trust it."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.tls import Tls

# containerd looks for a certificate beside it where the path is absolute alone.
HOSTS_TOML = """\
server = "https://{host}"

[host."https://{host}"]
  ca = "/etc/containerd/certs.d/{host}/ca.crt"
"""


@require_safe
def root(request: HttpRequest) -> HttpResponse:
    if settings.TLS != Tls.INTERNAL:
        raise Http404
    answer = HttpResponse(
        settings.TLS_AUTHORITY.certificate_file.read_bytes(),
        content_type="application/x-x509-ca-cert",  # browsers offer to install it
    )
    answer["Content-Disposition"] = 'attachment; filename="ca.crt"'
    return answer


@require_safe
def how_to_trust(request: HttpRequest) -> HttpResponse:
    if settings.TLS != Tls.INTERNAL:
        raise Http404
    context = {
        "fingerprint": settings.TLS_AUTHORITY.fingerprint,
        "hosts_toml": HOSTS_TOML.format(host=settings.SITE_HOST),
    }
    return render(request, "help/certificate.html", context)
