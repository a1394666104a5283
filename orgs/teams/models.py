import uuid

from django.contrib.auth.models import Group
from django.db import models
from django.urls import reverse

from orgs.models import Organization


class Team(Group):
    """A group of an organization's people; guardian and auth accept it as a group.

    `Group.name` is unique over the whole installation, so it holds `team:<uuid>` and
    people see `label`. Members are `team.user_set`; only actions change it.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="teams")
    label = models.CharField("name", max_length=60)
    description = models.CharField(max_length=300, blank=True)
    org_role = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["label"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "label"], name="team_label_once_per_organization")
        ]

    def __str__(self) -> str:
        return self.label

    def save(self, **kwargs):
        self.name = f"team:{self.uuid}"
        super().save(**kwargs)

    def get_absolute_url(self) -> str:
        return reverse("teams:detail", args=[self.organization.slug, self.uuid])

    @property
    def initials(self) -> str:
        words = self.label.replace("-", " ").replace("_", " ").split()
        return ("".join(word[0] for word in words[:2]) if len(words) > 1 else self.label[:2]).upper()

    @property
    def hue(self) -> int:
        return self.uuid.bytes[0] % 8
