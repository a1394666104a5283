"""What the list of runs is filtered and sorted by; all of it is in the address of the page."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.http import QueryDict
from django.utils.timezone import make_aware

from tenants.runs.client import MAX_TAGS
from zenpro_site.common.names import NameField
from zenpro_site.common.ui import state_word

STATUSES = ("running", "completed", "failed", "initializing", "stopped", "cached")
# What a column of the list is called in the address, and in ZenML (PipelineRunFilter.sort_by).
SORTS = {"name": "name", "status": "status", "started": "start_time"}
NEWEST = "desc:created"
# Any day within these can be moved into every time zone.
DAYS = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(9000, 1, 1))]
USERNAME = RegexValidator(r"^[a-z0-9][a-z0-9_.-]*\Z")
ME = "me"
NO_RUN = UUID(int=0)
LABELS = {
    "q": "Name",
    "status": "Status",
    "person": "Person",
    "template": "Template",
    "pipeline": "Pipeline",
    "tag": "Tag",
    "stack": "Stack",
    "since": "From",
    "until": "To",
    "sort": "Sorting",
}
FILTERS = tuple(name for name in LABELS if name != "sort")
DAY = {"type": "date", "class": "by"}
LENGTH = 200
MOST_TAGS, TAG_LENGTH = MAX_TAGS, 200  # ZenML's own column holds 255 characters


class RunFilterForm(forms.Form):
    """Filters of the address. A value that makes no sense is left out, see `ignored`.

    `people` and `templates` are (value, label) pairs that the page offers.
    """

    q = forms.CharField(max_length=LENGTH, required=False)
    status = forms.ChoiceField(required=False)
    person = forms.CharField(max_length=150, required=False, validators=[USERNAME])
    template = forms.ChoiceField(required=False)
    pipeline = forms.CharField(max_length=LENGTH, required=False)
    tag = forms.CharField(max_length=LENGTH, required=False)
    stack = forms.CharField(max_length=LENGTH, required=False)
    since = forms.DateField(required=False, widget=forms.DateInput(DAY, "%Y-%m-%d"), validators=DAYS)
    until = forms.DateField(required=False, widget=forms.DateInput(DAY, "%Y-%m-%d"), validators=DAYS)
    sort = forms.ChoiceField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict, *, people: Iterable = (), templates: Iterable = ()):
        super().__init__(data, auto_id="filter-%s")
        self.people = [("", "Anyone"), (ME, "Me"), *people]
        states = [("", "Any status"), *((name, state_word(name)) for name in STATUSES)]
        for name, choices in (("status", states), ("template", [("", "Any template"), *templates])):
            self.fields[name].choices = choices
        self.fields["sort"].choices = [(sign + name, name) for name in SORTS for sign in ("", "-")]
        for name, field in self.fields.items():
            field.label = LABELS[name]
        self.is_valid()
        self.chosen = {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def active(self) -> list[str]:
        """Names of the filters that hide runs."""
        return [name for name in FILTERS if name in self.chosen]

    @property
    def ignored(self) -> list[str]:
        """What of the address was left out, in words."""
        return [LABELS[name].lower() for name in self.errors]

    @property
    def order(self) -> str:
        return self.chosen.get("sort", "")

    def shown(self, name: str) -> str:
        """What a chip says of a chosen filter."""
        value = self.chosen[name]
        if isinstance(value, date):
            return f"{value.day} {value:%b %Y}"
        offered = self.people if name == "person" else getattr(self.fields[name], "choices", ())
        return str(dict(offered).get(value, value))

    def wire(self, username: str, run_ids: Iterable[UUID] = ()) -> dict:
        """The same as ZenML's list of runs takes it (PipelineRunFilter in models/v2/core/pipeline_run.py, 0.98).

        `username` is whose runs "me" are; `run_ids` those of the chosen template. Every value has its operator
        before it: one that looks like an operator stays a value.
        """
        found = {"sort_by": _order(self.order), **self._texts(), "start_time": self._days() or None}
        if person := self.chosen.get("person"):
            found["user"] = f"equals:{username if person == ME else person}"
        if "template" in self.chosen:
            found["id"] = f"oneof:{json.dumps([str(one) for one in run_ids] or [str(NO_RUN)])}"
        return found

    def _texts(self) -> dict[str, str]:
        wanted = {
            "q": "name=contains",
            "status": "status=equals",
            "pipeline": "pipeline_name=contains",
            "tag": "tags=equals",
            "stack": "stack=equals",
        }
        pairs = ((rule.partition("="), self.chosen.get(name)) for name, rule in wanted.items())
        return {key: f"{operator}:{value}" for (key, _, operator), value in pairs if value}

    def _days(self) -> list[str]:
        """Both days are included, in the time zone of the page; servers compare with UTC."""
        since, until = self.chosen.get("since"), self.chosen.get("until")
        found = [f"gte:{_midnight(since)}"] if since else []
        return found + ([f"lt:{_midnight(until + timedelta(days=1))}"] if until else [])


def _midnight(day: date) -> str:
    return f"{make_aware(datetime.combine(day, time.min)).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _order(sort: str) -> str:
    if not sort:
        return NEWEST
    return f"{'desc' if sort.startswith('-') else 'asc'}:{SORTS[sort.lstrip('-')]}"


class SavedViewForm(forms.Form):
    """The name of a saved view."""

    name = NameField(max_length=60, widget=forms.TextInput({"autocomplete": "off"}))


class TagsForm(forms.Form):
    """Tags of a run, one on each line. `had` are those that it had when the page was made."""

    tags = forms.CharField(
        required=False,
        max_length=MOST_TAGS * (TAG_LENGTH + 2),
        widget=forms.Textarea({"data-chips": "Add a tag", "rows": 4}),
        help_text="Press Enter after each tag.",
    )

    def clean_tags(self) -> list[str]:
        tags = list(dict.fromkeys(filter(None, map(str.strip, self.cleaned_data["tags"].splitlines()))))
        if len(tags) > MOST_TAGS:
            raise forms.ValidationError(f"A run can have {MOST_TAGS} tags here.")
        if odd := [tag for tag in tags if len(tag) > TAG_LENGTH or not tag.isprintable()]:
            raise forms.ValidationError(
                f"“{odd[0][:60]}…” can't be a tag: use up to {TAG_LENGTH} characters."
            )
        return tags

    @property
    def had(self) -> list[str]:
        return list(dict.fromkeys(self.data.getlist("had")))[:MOST_TAGS]

    @property
    def added(self) -> list[str]:
        return [tag for tag in self.cleaned_data["tags"] if tag not in self.had]

    @property
    def removed(self) -> list[str]:
        return [tag for tag in self.had if tag not in self.cleaned_data["tags"]]


@dataclass(frozen=True)
class SortHead:
    """The head of a column that sorts by it: `order` is what aria-sort says, `url` turns it round."""

    url: str
    order: str


def sort_heads(query: QueryDict, sort: str) -> dict[str, SortHead]:
    return {name: _head(query, name, sort or "-started") for name in SORTS}


def _head(query: QueryDict, name: str, sort: str) -> SortHead:
    order = {name: "ascending", f"-{name}": "descending"}.get(sort, "") if not query.get("by") else ""
    falls_first = name == "started"
    falls = order == "ascending" or (falls_first and not order)
    return SortHead(with_value(query, "sort", f"-{name}" if falls else name, "by"), order)


def tidy(query: QueryDict, *without: str) -> str:
    """The address of the same list, "?…": its values without empty ones and these."""
    left = query.copy()
    for name in [name for name in left if name in without or not any(left.getlist(name))]:
        del left[name]
    return f"?{left.urlencode()}"


KEPT = (*LABELS, "project", "columns", "by")  # of an address, in a saved view


def kept(query: QueryDict) -> str:
    """What a saved view keeps of an address, in one order, so that equal views have equal addresses."""
    found = QueryDict(mutable=True)
    for name in KEPT:
        if values := [value for value in query.getlist(name) if value]:
            found.setlist(name, values)
    return found.urlencode()


def with_value(query: QueryDict, name: str, value: str, *without: str) -> str:
    """The address of the same list with another value and without these, from its first page."""
    changed = query.copy()
    changed[name] = value
    return tidy(changed, "page", *without)
