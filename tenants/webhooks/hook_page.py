"""The page of a webhook, be it a template's or a person's own. A new secret is in the answer that made it alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render

from zenpro_site.common.refusals import Refused

from . import actions
from .forms import WebhookForm
from .models import Webhook
from .outbox import shown_deliveries, why_silent

SHOWN = 20  # deliveries


@dataclass(frozen=True)
class HookPage:
    """A page of one webhook: whose it is, which is there so far, and how it is saved."""

    url: str
    html: str
    hook: Webhook | None
    about: dict
    choices: list[tuple[str, str]]
    when: str
    save: Callable[..., str]  # (address, when, by) -> the secret, if one was made
    find: Callable[[], Webhook | None]

    def form(self, data=None) -> WebhookForm:
        return WebhookForm(data, hook=self.hook, choices=self.choices, when=self.when)

    def answer(self, request, form: WebhookForm, secret: str = ""):
        context = {
            **self.about,
            "hook": self.hook,
            "own_url": self.url,
            "form": form,
            "secret": secret,
            "silent": why_silent(self.hook) if self.hook and self.hook.template else "",
            "deliveries": shown_deliveries(self.hook)[:SHOWN] if self.hook else [],
        }
        return render(request, self.html, context, status=422 if form.errors else 200)

    def hook_or_404(self) -> Webhook:
        if self.hook is None:
            raise Http404("There is no webhook.")
        return self.hook


def saved(request, place: HookPage):
    form = place.form(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return place.answer(request, form)
    try:
        made = place.save(by=request.actor, **form.cleaned_data)
    except Refused as error:
        form.add_error("address", str(error))
        return place.answer(request, form)
    if not made:
        messages.success(request, "Saved.")
        return redirect(place.url)
    place = replace(place, hook=place.find())
    return place.answer(request, place.form(), made)


def with_new_secret(request, place: HookPage):
    try:
        made = actions.replace_secret(hook=place.hook_or_404(), by=request.actor)
    except Refused as error:
        messages.error(request, str(error))
        return redirect(place.url)
    return place.answer(request, place.form(), made)


def tested(request, hook: Webhook, back: str, about=None):
    """Send a test now, and say what the other side answered. `about`: a run, a template or a tenant, for a person's own."""
    answer = actions.try_webhook(hook=hook, by=request.actor, about=about)
    if answer.ok:
        messages.success(request, f"The test arrived: the other side answered with status {answer.status}.")
    else:
        messages.error(request, f"The test failed. {answer.error}")
    return redirect(back)


def removed(request, place: HookPage):
    actions.remove_webhook(hook=place.hook_or_404(), by=request.actor)
    messages.success(request, "The webhook has been removed.")
    return redirect(place.url)


def retried(request, place: HookPage, delivery):
    delivery = get_object_or_404(shown_deliveries(place.hook_or_404()), pk=delivery)
    if actions.retry_delivery(delivery):
        messages.success(request, "It will be sent again shortly.")
    else:
        messages.error(request, "This can't be sent any more.")
    return redirect(place.url)
