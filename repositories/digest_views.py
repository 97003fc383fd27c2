"""/digest: what is this? One box for any digest, and the page that answers."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.principals import Principal
from repositories import digests, names

MAX_TEXT_LENGTH = 400  # longer than any reference that somebody pastes


@require_safe
def digest_box(request: HttpRequest) -> HttpResponse:
    """The box. What is asked with it leads to a digest's page, or to several to choose from."""
    text = request.GET.get("q", "").strip()[:MAX_TEXT_LENGTH]
    found = digests.digest_in(text)
    candidates = [found] if found else digests.candidates(Principal.of(request), text)
    if len(candidates) == 1:
        return redirect("repositories:digest", candidates[0])
    return render(request, "repositories/digest_box.html", {"text": text, "candidates": candidates})


@require_safe
def digest(request: HttpRequest, digest: str) -> HttpResponse:
    """The same for a digest that nobody has seen and for one that the reader may not see."""
    if not names.is_digest(digest):
        return redirect(f"{reverse('repositories:digest_box')}?{urlencode({'q': digest})}")
    found = digests.look_up(Principal.of(request), digest)
    status = 200 if found.places else 404
    return render(request, "repositories/digest.html", {"found": found}, status=status)
