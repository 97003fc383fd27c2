"""{{ manifest.artifact_type|artifact_name }}"""

from django import template

from repositories.artifacts import name_of

register = template.Library()
register.filter("artifact_name", name_of)
