"""REST: repositories, their tags, and search. Rights are access.py's alone."""

from typing import Any

from django.core.exceptions import PermissionDenied as Refused
from django.db import IntegrityError, transaction
from django.db.models import F, Prefetch, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import generics, serializers, status
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.permissions import IsAuthenticatedOrReadOnly
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from accounts import audit
from accounts.principals import Principal
from repositories.access import (
    Action,
    access_to,
    get_repository_or_404,
    may_create_top_level,
)
from repositories.api_paging import address_of
from repositories.models import Manifest, ManifestPart, Repository, Tag
from repositories.names import MAX_PATH_LENGTH, split_path
from repositories.search import MAX_PAGE_SIZE, listed_repositories, search

# Megabytes that no list shows.
UNSHOWN = ["manifest__content", "manifest__config", "manifest__annotations", "manifest__facts"]


class RepositorySerializer(serializers.ModelSerializer[Repository]):
    """As lists show it."""

    path = serializers.CharField(read_only=True)
    namespace = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    is_top_level = serializers.BooleanField(read_only=True)

    class Meta:
        model = Repository
        fields = [
            "path",
            "namespace",
            "name",
            "is_top_level",
            "is_private",
            "description",
            "pull_count",
            "created_at",
            "pushed_at",
        ]
        read_only_fields = ["name", "pull_count", "created_at", "pushed_at"]


class RepositoryDetailSerializer(RepositorySerializer):
    actions = serializers.SerializerMethodField(help_text="What you may do, with this credential.")

    class Meta(RepositorySerializer.Meta):
        fields = [*RepositorySerializer.Meta.fields, "readme", "actions"]

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(list(Action))))
    def get_actions(self, repository: Repository) -> list[str]:
        held = access_to(self.context["principal"], repository.path).actions
        return [action.value for action in Action if action in held]

    def validate_is_private(self, is_private: bool) -> bool:
        if is_private and self.instance is not None and self.instance.is_top_level:
            raise ValidationError(_("Top-level repositories are there for everybody."))
        return is_private


class NewRepositorySerializer(serializers.ModelSerializer[Repository]):
    path = serializers.CharField(
        max_length=MAX_PATH_LENGTH, help_text="`alice/app`; staff may make top-level ones, `debian`"
    )

    class Meta:
        model = Repository
        fields = ["path", "description", "readme", "is_private"]


class TagSerializer(serializers.ModelSerializer[Tag]):
    digest = serializers.CharField(source="manifest.digest")
    kind = serializers.ChoiceField(source="manifest.kind", choices=Manifest.Kind.choices)
    media_type = serializers.CharField(source="manifest.media_type")
    size_bytes = serializers.IntegerField(
        source="manifest.size_bytes",
        allow_null=True,
        help_text="To download at most, compressed. Null for an image index.",
    )
    platforms = serializers.SerializerMethodField()

    class Meta:
        model = Tag
        fields = [
            "name",
            "digest",
            "kind",
            "media_type",
            "platforms",
            "size_bytes",
            "pushed_at",
            "pushed_by",
            "pull_count",
            "missing_since",
        ]

    def get_platforms(self, tag: Tag) -> list[str]:
        manifest = tag.manifest
        children = [part.platform for part in manifest.parts.all()]  # prefetched: see list_tags
        return [platform for platform in [manifest.platform, *children] if platform]


class RepositoryList(generics.ListAPIView[Repository]):
    permission_classes = [IsAuthenticatedOrReadOnly]
    serializer_class = RepositorySerializer

    def get_queryset(self) -> QuerySet[Repository]:
        repositories = listed_repositories(Principal.of(self.request)).select_related("namespace")
        wanted = self.request.query_params.get("namespace")
        if wanted is not None:
            # PostgreSQL takes no NUL; nor does a namespace.
            repositories = repositories.filter(namespace__name=wanted.replace("\0", "?"))
        return repositories.order_by(F("namespace__name").asc(nulls_first=True), "name")

    @extend_schema(
        description="Repositories that you may pull, top-level ones first, then by path. "
        "Those of others are listed from their first push on.",
        parameters=[OpenApiParameter("namespace", str, description="Only those of `alice`.")],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    @extend_schema(
        description="Make a repository before its first push. (A push makes it by itself, too.)",
        request=NewRepositorySerializer,
        responses={201: RepositoryDetailSerializer},
    )
    def post(self, request: Request) -> Response:
        form = NewRepositorySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        repository = _create(request, **form.validated_data)
        context = {"principal": Principal.of(request)}
        data = RepositoryDetailSerializer(repository, context=context).data
        return Response(data, status=status.HTTP_201_CREATED)


class RepositoryDetail(APIView):
    """One repository."""

    permission_classes = [IsAuthenticatedOrReadOnly]

    @extend_schema(operation_id="repository", responses=RepositoryDetailSerializer)
    def get(self, request: Request, name: str, namespace: str = "") -> Response:
        repository = _get(request, _path(namespace, name), Action.PULL)
        context = {"principal": Principal.of(request)}
        return Response(RepositoryDetailSerializer(repository, context=context).data)

    @extend_schema(
        operation_id="repository_change",
        description="Change description, README or visibility. Asks for the scope delete.",
        request=RepositoryDetailSerializer,
        responses=RepositoryDetailSerializer,
    )
    def patch(self, request: Request, name: str, namespace: str = "") -> Response:
        repository = _get(request, _path(namespace, name), Action.ADMIN)
        context = {"principal": Principal.of(request)}
        form = RepositoryDetailSerializer(
            repository, data=request.data, partial=True, context=context
        )
        form.is_valid(raise_exception=True)
        changes = {
            key: value
            for key, value in form.validated_data.items()
            if getattr(repository, key) != value
        }
        if "is_private" in changes:
            _get(request, repository.path, Action.OWN)
        _change(request, repository, changes)
        return Response(form.data)


@extend_schema_view(
    get=extend_schema(operation_id="top_level_repository"),
    patch=extend_schema(operation_id="top_level_repository_change"),
)
class TopLevelRepository(RepositoryDetail):
    """``debian``: the same, at an address without a slash."""


class TagList(generics.ListAPIView[Tag]):
    """The tags of one repository, newest push first."""

    serializer_class = TagSerializer

    def get_queryset(self) -> QuerySet[Tag]:
        path = _path(self.kwargs.get("namespace", ""), self.kwargs["name"])
        return _tags_of(_get(self.request, path, Action.PULL))


class TopLevelTagList(TagList):
    """``debian/tags``. Where there is no such top-level repository: a user's one called "tags"."""

    permission_classes = [IsAuthenticatedOrReadOnly]

    @extend_schema(operation_id="top_level_tags_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        name = kwargs["name"]
        if access_to(Principal.of(request), name).repository is None:
            return RepositoryDetail().get(request, name="tags", namespace=name)
        return super().get(request, *args, **kwargs)

    @extend_schema(exclude=True)
    def patch(self, request: Request, name: str) -> Response:
        return RepositoryDetail().patch(request, name="tags", namespace=name)


class SearchQuerySerializer(serializers.Serializer[Any]):
    q = serializers.CharField(default="", allow_blank=True)
    page = serializers.IntegerField(default=1, min_value=1, max_value=10_000)
    page_size = serializers.IntegerField(default=25, min_value=1, max_value=MAX_PAGE_SIZE)


class SearchResultsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = RepositorySerializer(many=True)


class Search(APIView):
    @extend_schema(
        operation_id="search",
        description="Repositories by name, namespace and description, best first.",
        parameters=[SearchQuerySerializer],
        responses=SearchResultsSerializer,
    )
    def get(self, request: Request) -> Response:
        form = SearchQuerySerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        results = search(
            Principal.of(request), asked["q"], page=asked["page"], page_size=asked["page_size"]
        )
        url = address_of(request)
        page = results.page
        return Response(
            {
                "count": results.total,
                "next": replace_query_param(url, "page", page + 1)
                if page < results.pages
                else None,
                "previous": replace_query_param(url, "page", page - 1) if page > 1 else None,
                "results": RepositorySerializer(results.items, many=True).data,
            }
        )


def _path(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _get(request: Request, path: str, action: Action) -> Repository:
    """As get_repository_or_404; whose credential is too small for what he may is told so."""
    principal = Principal.of(request)
    try:
        return get_repository_or_404(principal, path, action)
    except Refused as refused:
        if access_to(Principal(principal.user), path).allows(action):
            raise PermissionDenied(
                _("This access token may only %(scope)s: use one with a larger scope.")
                % {"scope": principal.scope}
            ) from refused
        raise


def _create(request: Request, path: str, **fields: Any) -> Repository:
    """Make the repository at ``path``, where the principal might as well push to it."""
    parts = split_path(path)
    if parts is None:
        raise ValidationError(
            {"path": [_("“%(path)s” is not a name of this index.") % {"path": path}]}
        )
    namespace, name = parts
    principal = Principal.of(request)
    access = access_to(principal, path)
    exists = ValidationError(
        {"path": [_("There is a repository %(path)s already.") % {"path": path}]}
    )
    is_allowed = access.allows(Action.PUSH) if namespace else may_create_top_level(principal)
    if access.repository is not None and (is_allowed or access.allows(Action.PUSH)):
        raise exists
    if not is_allowed:
        raise PermissionDenied(access.push_refusal)
    if namespace is None and fields.get("is_private"):
        raise ValidationError(
            {"is_private": [_("Top-level repositories are there for everybody.")]}
        )
    owner = principal.user.namespace if principal.user and namespace else None
    try:
        with transaction.atomic():
            repository = Repository.objects.create(namespace=owner, name=name, **fields)
            audit.record(
                request, "repository.created", path, is_private=fields.get("is_private", False)
            )
    except IntegrityError as error:  # a push, or somebody else, was faster
        raise exists from error
    repository.refresh_from_db()  # created_at is the database's
    return repository


@transaction.atomic
def _change(request: Request, repository: Repository, changes: dict[str, Any]) -> None:
    """Only what changed: saving the whole row would undo pulls counted meanwhile."""
    if not changes:
        return
    for key, value in changes.items():
        setattr(repository, key, value)
    repository.save(update_fields=changes)
    short = {key: value for key, value in changes.items() if key != "readme"}
    audit.record(
        request, "repository.changed", repository.path, fields=sorted(changes), values=short
    )


def _tags_of(repository: Repository) -> QuerySet[Tag]:
    images = ManifestPart.objects.filter(kind=ManifestPart.Kind.CHILD, is_attestation=False)
    return (
        repository.tags.select_related("manifest")
        .defer(*UNSHOWN)
        .prefetch_related(Prefetch("manifest__parts", images))
        .order_by("-pushed_at", "-name")
    )
