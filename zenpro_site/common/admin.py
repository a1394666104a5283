"""What pages of Django admin have in common."""

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpResponseRedirect

from zenpro_site.common.refusals import Refused


class ReadOnlyAdmin(ModelAdmin):
    """Rows to look at: they follow from other changes, or must stay as they were written."""

    hidden: tuple[str, ...] = ()

    def get_fields(self, request, obj=None) -> list[str]:
        """All columns, those that no form shows as well."""
        return [field.name for field in self.opts.fields if field.name not in self.hidden]

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


class ActionsAdmin(ModelAdmin):
    """Rows that change through actions. What an action refuses is told, and nothing is written."""

    def get_actions(self, request) -> dict:
        """Without "delete selected", which asks no action."""
        found = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refused as error:
            return self._tell(request, error)

    def delete_view(self, request, object_id, extra_context=None):
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refused as error:
            return self._tell(request, error)

    def _tell(self, request, error: Refused):
        self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def get_deleted_objects(self, objs, request):
        """Only the rows themselves: what ends with them is the action's business."""
        return [str(obj) for obj in objs], {}, set(), []
