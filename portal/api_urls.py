"""``/api/``: the document at ``schema/``, the first version at ``v1/``."""

from django.urls import path, re_path
from django.views.decorators.cache import cache_page
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import api as accounts
from repositories import access_api
from repositories import api as repositories


@extend_schema(exclude=True)
class NoSuchAddress(APIView):
    """Programs get JSON for an address that isn't there, too."""

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise NotFound("The API has no such address; /api/schema/ lists those that there are.")

    def get(self, request: Request, **kwargs: object) -> Response:
        raise NotFound


# It takes long to make, says the same to everybody, and changes with the program alone.
SCHEMA_SECONDS = 3600

tokens = accounts.AccessTokenViewSet.as_view({"get": "list", "post": "create"})
one_token = accounts.AccessTokenViewSet.as_view({"delete": "destroy"})

urlpatterns = [
    path("schema/", cache_page(SCHEMA_SECONDS)(SpectacularAPIView.as_view()), name="api-schema"),
    path("v1/me", accounts.MeView.as_view()),
    path("v1/tokens", tokens),
    path("v1/tokens/<int:pk>", one_token),
    path("v1/repositories", repositories.RepositoryList.as_view()),
    path("v1/repositories/<str:name>", repositories.TopLevelRepository.as_view()),
    path("v1/repositories/<str:name>/tags", repositories.TopLevelTagList.as_view()),
    path("v1/repositories/<str:namespace>/<str:name>", repositories.RepositoryDetail.as_view()),
    path("v1/repositories/<str:namespace>/<str:name>/tags", repositories.TagList.as_view()),
    path("v1/access", access_api.WhoMay.as_view()),
    path("v1/search", repositories.Search.as_view()),
    re_path("", NoSuchAddress.as_view()),
]
