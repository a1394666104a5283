import uuid
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Count, OuterRef, Subquery, TextField
from django.db.models.functions import Cast, Coalesce
from django.urls import reverse

from orgs.models import Membership, Organization
from zenpro_site.common.names import PlainNames
from zenpro_site.common.sql import Joined

FACES = 4


class TeamQuerySet(models.QuerySet):
    def counted(self):
        """With `people`, the number of people in each."""
        inside = get_user_model().groups.through.objects.filter(group=OuterRef("pk")).order_by()
        people = Subquery(inside.values("group").annotate(n=Count("pk")).values("n"))
        return self.annotate(people=Coalesce(people, 0))

    def with_faces(self) -> list:
        """The teams as a list, each with a few of its people in `faces`; two queries for any number."""
        inside = get_user_model().groups.through.objects.filter(group=OuterRef("pk")).order_by("pk")
        few = Joined(inside.values(text=Cast("user", TextField()))[:FACES])
        teams = list(self.annotate(few=few))
        keys = {team: (team.few or "").split() for team in teams}
        people = get_user_model().objects.in_bulk([UUID(key) for mine in keys.values() for key in mine])
        for team, mine in keys.items():
            team.faces = [people[UUID(key)] for key in mine]
        return teams


class Team(PlainNames, Group):
    """A group of an organization's people; guardian and auth accept it as a group.

    `Group.name` is unique over the whole installation, so it holds `team:<uuid>` and
    people see `label`. Members are `team.user_set`; only actions change it. Maintainers are members who add and
    remove others; their rows end with their membership of the organization.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="teams")
    NAMES = ("label",)

    label = models.CharField("name", max_length=60)
    description = models.CharField(max_length=300, blank=True)
    org_role = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    maintainers = models.ManyToManyField(Membership, blank=True, related_name="maintained_teams")

    objects = TeamQuerySet.as_manager()

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
    def inside(self):
        """Keys of its people, for conditions: a join with them would read the whole organization first."""
        return Team.user_set.through.objects.filter(group=self.pk).values("user")

    @property
    def keeping(self):
        """A row for each of its maintainers, for conditions on the memberships around."""
        return Team.maintainers.through.objects.filter(team=self.pk)

    @property
    def initials(self) -> str:
        words = self.label.replace("-", " ").replace("_", " ").split()
        return ("".join(word[0] for word in words[:2]) if len(words) > 1 else self.label[:2]).upper()

    @property
    def hue(self) -> int:
        return self.uuid.bytes[0] % 8
