from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone


def saw(user):
    get_user_model().objects.saw(user)
    return get_user_model().objects.get(pk=user.pk).last_active_at


def test_a_first_visit_is_noted(org, member, as_user):
    as_user(member).get(org.get_absolute_url())
    member.refresh_from_db()
    assert timezone.now() - member.last_active_at < timedelta(seconds=30)


def test_a_fresh_note_costs_no_query(member, django_assert_num_queries):
    first = saw(member)
    with django_assert_num_queries(0):
        get_user_model().objects.saw(member)
    assert saw(member) == first


@pytest.mark.parametrize("minutes", [4, 6])
def test_it_is_renewed_after_five_minutes(member, minutes):
    earlier = timezone.now() - timedelta(minutes=minutes)
    get_user_model().objects.filter(pk=member.pk).update(last_active_at=earlier)
    member.refresh_from_db()
    assert (saw(member) > earlier) is (minutes > 5)


def test_two_requests_at_once_write_once(member):
    other = get_user_model().objects.get(pk=member.pk)
    first = saw(member)
    assert saw(other) == first


def test_a_polling_page_is_no_activity(org, member, as_user):
    as_user(member).get(org.get_absolute_url(), headers={"HX-Request": "true"})
    member.refresh_from_db()
    assert member.last_active_at is None
