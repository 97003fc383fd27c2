"""REST: what may somebody do? The same question and answer as on the page *Who may do what*."""

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import Principal
from repositories.access import Action, access_to
from repositories.collaborator_forms import QuestionForm
from repositories.explanations import explain


class ExplanationSerializer(serializers.Serializer[Any]):
    is_allowed = serializers.BooleanField()
    rule = serializers.CharField(help_text="What decides: a role that allows, a rule that refuses.")
    text = serializers.CharField(help_text="The same in a sentence.")
    why = serializers.URLField(allow_null=True, help_text="The page about the rule that refuses.")


class WhoMay(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="access",
        description="May somebody pull, push or delete, and which rule decides? For those who "
        "administer the repository; asks for the scope delete.",
        parameters=[
            OpenApiParameter("path", str, required=True, description="`alice/app` or `debian`"),
            OpenApiParameter("action", str, required=True, enum=["pull", "push", "delete"]),
            OpenApiParameter("user", str, description="Without: somebody who has not logged in."),
            OpenApiParameter("tag", str),
        ],
        responses=ExplanationSerializer,
    )
    def get(self, request: Request) -> Response:
        path = request.query_params.get("path", "")
        if not path:
            raise ValidationError({"path": [_("Which repository?")]})
        access = access_to(Principal.of(request), path)
        if access.repository is None:
            raise Http404
        if not access.allows(Action.ADMIN):
            raise PermissionDenied(
                _(
                    "Those who administer the repository may ask; an access token needs the "
                    "scope delete."
                )
            )
        form = QuestionForm(request.query_params)
        if not form.is_valid():
            raise ValidationError(
                {name: [str(error) for error in found] for name, found in form.errors.items()}
            )
        asked = form.cleaned_data
        answer = explain(access.repository, asked["user"], Action(asked["action"]), asked["tag"])
        return Response(ExplanationSerializer(answer).data)
