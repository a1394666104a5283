from django.shortcuts import render


def settings(request, **kwargs):
    return render(request, "base.html")


def no_organization(request, **kwargs):
    return render(request, "base.html")
