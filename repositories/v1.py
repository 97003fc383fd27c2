"""What ``docker search`` and ``podman search`` call: two addresses of the v1 index API.

Answers are read by programs of 2013 to today, so names and types are fixed: an integer that
came as text would make docker refuse the whole page. No redirects: docker drops its
credentials on one.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from accounts import credentials
from accounts.limits import TooManyAttempts
from accounts.principals import NOBODY, Principal
from repositories import registry_tokens
from repositories.models import Repository
from repositories.search import MAX_PAGE_SIZE, search

DEFAULT_PAGE_SIZE = 25  # docker's own; docker before 1.12 doesn't say how many it wants


@require_safe
def ping(request: HttpRequest) -> HttpResponse:
    """Tells docker that it may search here, and not to send a login that nobody stored."""
    headers = {"X-Docker-Registry-Version": "0.9.1", "X-Docker-Registry-Standalone": "false"}
    return JsonResponse({}, headers=headers)


@require_safe
def search_page(request: HttpRequest) -> HttpResponse:
    """One page of results, best first."""
    try:
        principal = _principal_of(request)
    except (credentials.BadCredentials, registry_tokens.BadRegistryToken) as error:
        challenge = {"WWW-Authenticate": f'Basic realm="{settings.SITE_HOST}"'}
        return JsonResponse({"error": str(error)}, status=401, headers=challenge)
    except TooManyAttempts as error:
        wait = {"Retry-After": str(error.retry_after_seconds)}
        return JsonResponse({"error": str(error)}, status=429, headers=wait)
    text = request.GET.get("q", "")
    page_size = min(_number(request, "n", DEFAULT_PAGE_SIZE), MAX_PAGE_SIZE)
    results = search(principal, text, page=_number(request, "page", 1), page_size=page_size)
    return JsonResponse(
        {
            "query": text,
            "num_results": results.total,
            "num_pages": results.pages,
            "page": results.page,
            "page_size": page_size,
            "results": [_result(repository) for repository in results.items],
        }
    )


def _result(repository: Repository) -> dict[str, object]:
    return {
        # Without our host: podman puts it in front itself.
        "name": repository.path,
        "description": _description(repository),
        "star_count": 0,
        "is_official": repository.is_top_level,
        # The same fact for docker since 1.0 and before.
        "is_automated": False,
        "is_trusted": False,
        "pull_count": repository.pull_count,
    }


def _description(repository: Repository) -> str:
    """In one line. docker prints its first 42 characters, so what matters stands first."""
    description = " ".join(repository.description.split())
    if not repository.deprecated_at:
        return description
    instead = f", use {repository.successor}" if repository.successor else ""
    return f"DEPRECATED{instead}. {description}".strip()


def _principal_of(request: HttpRequest) -> Principal:
    """Who asks: nobody, or by Basic, or by a registry token, which docker login asked for."""
    authorization = request.headers.get("Authorization", "")
    scheme, _space, token = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return registry_tokens.principal_of(token.strip())
    username, secret = credentials.from_basic(authorization)
    if not username and not secret:
        return NOBODY  # docker on https says so even when no login is stored
    return credentials.authenticate(username, secret, **credentials.origin(request))


def _number(request: HttpRequest, name: str, default: int) -> int:
    """A number of the query, from 1; the default for what is none."""
    try:
        return max(int(request.GET.get(name, default)), 1)
    except ValueError:
        return default
