"""REST: who am I, and my access tokens."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import access_tokens
from accounts.models import AccessToken, User
from accounts.principals import Principal

DEFAULT_LIFETIME = timedelta(days=90)
LONGEST_LIFETIME = timedelta(days=3652)  # as on the page: a typing error in the year is told


class AccessTokenSerializer(serializers.ModelSerializer[AccessToken]):
    class Meta:
        model = AccessToken
        fields = [
            "id",
            "kind",
            "name",
            "scope",
            "created_at",
            "expires_at",
            "last_used_at",
            "last_used_from",
            "last_used_by",
        ]
        read_only_fields = fields


class NewAccessTokenSerializer(serializers.Serializer[AccessToken]):
    name = serializers.CharField(max_length=80)
    scope = serializers.ChoiceField(choices=AccessToken.Scope.choices)
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Left out: in 90 days. Null: never."
    )

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        now = timezone.now()
        if value is not None and not now < value <= now + LONGEST_LIFETIME:
            raise serializers.ValidationError(_("Give a moment in the next ten years, or null."))
        return value


class CreatedAccessTokenSerializer(AccessTokenSerializer):
    token = serializers.SerializerMethodField(help_text="The token itself. Shown here only.")

    class Meta(AccessTokenSerializer.Meta):
        fields = [*AccessTokenSerializer.Meta.fields, "token"]
        read_only_fields = fields

    def get_token(self, access_token: AccessToken) -> str:
        return str(self.context["secret"])


class MeSerializer(serializers.ModelSerializer[User]):
    """Who asks, and with what: null for a password."""

    access_token = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            "username",
            "name",
            "bio",
            "email",
            "must_confirm_email",
            "is_staff",
            "date_joined",
            "access_token",
        ]
        read_only_fields = fields

    @extend_schema_field(AccessTokenSerializer(allow_null=True))
    def get_access_token(self, user: User) -> dict[str, Any] | None:
        token = self.context["access_token"]
        return dict(AccessTokenSerializer(token).data) if token else None


class MeView(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="me", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        context = {"access_token": _token_of(request)}
        return Response(MeSerializer(_user_of(request), context=context).data)


@extend_schema_view(
    list=extend_schema(description="My access tokens and logged-in devices that work now."),
    destroy=extend_schema(
        description="Revoke a token, and what was made with it. Any token may revoke itself."
    ),
)
class AccessTokenViewSet(
    mixins.ListModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[AccessToken]
):
    permission_classes = [IsAuthenticated]
    serializer_class = AccessTokenSerializer
    queryset = AccessToken.objects.none()  # for the document: ids are numbers

    def get_queryset(self) -> QuerySet[AccessToken]:
        return AccessToken.objects.usable().filter(user=_user_of(self.request))

    @extend_schema(
        description="Make an access token. Asks for a password, or an access token of the scope "
        "delete: the new one has no more scope, ends no later, and is revoked with it.",
        request=NewAccessTokenSerializer,
        responses={201: CreatedAccessTokenSerializer},
    )
    def create(self, request: Request) -> Response:
        maker = _maker_of(request)
        form = NewAccessTokenSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        expires_at = asked.get("expires_at", timezone.now() + DEFAULT_LIFETIME)
        if maker is not None and maker.expires_at is not None:
            expires_at = min(expires_at or maker.expires_at, maker.expires_at)
        token, secret = access_tokens.create(
            _user_of(request),
            asked["name"],
            asked["scope"],
            expires_at=expires_at,
            parent=maker,
            request=request,
        )
        data = CreatedAccessTokenSerializer(token, context={"secret": secret}).data
        headers = {"Cache-Control": "no-store"}
        return Response(data, status=status.HTTP_201_CREATED, headers=headers)

    def perform_destroy(self, instance: AccessToken) -> None:
        shown = _token_of(self.request)
        if shown is not None and shown != instance:
            _need_delete_scope(shown)
        access_tokens.revoke(instance, self.request)


def _user_of(request: Request) -> User:
    user = Principal.of(request).user
    if user is None:
        raise NotAuthenticated
    return user


def _token_of(request: Request) -> AccessToken | None:
    """The access token that is shown; None for a password."""
    return request.auth if isinstance(request.auth, AccessToken) else None


def _maker_of(request: Request) -> AccessToken | None:
    """The access token that asks for a new one; None for a password. May it?

    The "delete" scope has no more to gain. Only tokens that people made make others: what came
    of a stolen one ends when that one is revoked, and there are no grandchildren to forget.
    """
    token = _token_of(request)
    if token is None:
        return None
    _need_delete_scope(token)
    if token.kind != AccessToken.Kind.PERSONAL or token.parent_id is not None:
        raise PermissionDenied(
            _("Only a password, or an access token that a password made, can make another one.")
        )
    return token


def _need_delete_scope(token: AccessToken) -> None:
    if token.scope != AccessToken.Scope.DELETE:
        raise PermissionDenied(
            _("This access token has the scope “%(scope)s”; this needs “delete”, or the password.")
            % {"scope": token.scope}
        )
