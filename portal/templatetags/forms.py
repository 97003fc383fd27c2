"""{{ field|control }}: a field's control, with Bootstrap's class and what describes it."""

from django import forms, template
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString

register = template.Library()

CLASSES = {
    forms.CheckboxInput: "form-check-input",
    forms.RadioSelect: "",
    forms.CheckboxSelectMultiple: "",
    forms.Select: "form-select",
}


@register.filter
def control(field: BoundField) -> SafeString:
    widget = field.field.widget
    name = next((CLASSES[kind] for kind in CLASSES if isinstance(widget, kind)), "form-control")
    attrs: dict[str, str | bool] = {}
    given = str(widget.attrs.get("class", ""))
    invalid = "is-invalid" if field.errors else ""
    classes = " ".join(part for part in [name, given, invalid] if part)
    if classes:
        attrs["class"] = classes
    described_by = [
        *([f"{field.auto_id}_helptext"] if field.help_text else []),
        *([f"{field.auto_id}_errors"] if field.errors else []),
    ]
    if described_by and not widget.use_fieldset:
        attrs["aria-describedby"] = " ".join(described_by)
    return field.as_widget(attrs=attrs)


@register.filter
def is_single_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.filter
def is_group(field: BoundField) -> bool:
    """Whether it is several controls: they need a legend, not a label."""
    return bool(field.field.widget.use_fieldset)
