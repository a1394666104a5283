from django.urls import path

from . import accept_views, views

app_name = "invitations"
urlpatterns = [
    path("o/<slug:org>/invitations/", views.list, name="list"),
    path("o/<slug:org>/invitations/new/", views.create, name="create"),
    path("o/<slug:org>/invitations/<uuid:invitation>/renew/", views.renew, name="renew"),
    path("o/<slug:org>/invitations/list/", views.bulk, name="bulk"),
    path("o/<slug:org>/invitations/list/send/", views.bulk_send, name="bulk_send"),
    path("o/<slug:org>/invitations/deliveries/", views.deliveries, name="deliveries"),
    path("o/<slug:org>/invitations/retry/", views.retry_all, name="retry_all"),
    path("o/<slug:org>/invitations/<uuid:invitation>/retry/", views.retry, name="retry"),
    path("o/<slug:org>/invitations/<uuid:invitation>/revoke/", views.revoke, name="revoke"),
    path("invite/<str:token>/", accept_views.accept, name="accept"),
]
