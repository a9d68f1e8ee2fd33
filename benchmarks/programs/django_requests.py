"""a django request loop: routes, middleware, forms, templates, an in-memory database"""

from __future__ import annotations

import sys
import types

SIZE, TINY = 180, 2       # rounds of four requests
NEEDS = ("django",)

LIST = """{% load humanize %}<!doctype html><title>{{ title|title }}</title><ul>{% for item in items %}
<li class="{% cycle 'a' 'b' %}"><a href="{% url 'item' item.pk %}">{{ item.name }}</a> {{ item.price|floatformat:2 }}
{% if item.stock > 10 %}{{ item.stock|intcomma }}{% else %}few{% endif %}</li>{% empty %}<li>none</li>{% endfor %}</ul>"""


def settings_once():
    from django.conf import settings

    if settings.configured:
        return
    import django

    settings.configure(
        SECRET_KEY="not secret", ALLOWED_HOSTS=["*"], ROOT_URLCONF="benchmark_urls", USE_TZ=True, LOGGING_CONFIG=None,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.humanize"],
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
                    "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
                    "django.middleware.clickjacking.XFrameOptionsMiddleware"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates",
                    "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"list.html": LIST})]}}])
    django.setup()
    sys.modules["benchmark_urls"] = urls()


def urls():
    from django import forms
    from django.db import connection, models
    from django.http import HttpResponseRedirect, JsonResponse
    from django.shortcuts import get_object_or_404, render
    from django.urls import path, reverse

    class Item(models.Model):
        name = models.CharField(max_length=50)
        price = models.DecimalField(max_digits=8, decimal_places=2)
        stock = models.IntegerField(default=0)

        class Meta:
            app_label = "benchmark"

    class OrderForm(forms.Form):
        name = forms.CharField(max_length=20)
        mail = forms.EmailField()
        count = forms.IntegerField(min_value=1, max_value=50)

    def index(request):
        items = Item.objects.filter(stock__gt=5).order_by("-price", "name")[:20]
        return render(request, "list.html", {"items": items, "title": "all items"})

    def item(request, number):
        found = get_object_or_404(Item, pk=number)
        request.session["last"] = number
        return JsonResponse({"name": found.name, "price": str(found.price)})

    def order(request):
        form = OrderForm(request.POST)
        if not form.is_valid():
            return JsonResponse({"errors": form.errors}, status=400)
        return HttpResponseRedirect(reverse("item", args=[form.cleaned_data["count"]]))

    with connection.schema_editor() as editor:
        editor.create_model(Item)
    Item.objects.bulk_create(Item(name=f"item <{i}>", price=f"{i * 1.25:.2f}", stock=i * 7 % 40) for i in range(60))
    module = types.ModuleType("benchmark_urls")
    module.urlpatterns = [path("", index), path("items/<int:number>/", item, name="item"), path("order/", order)]
    return module


def main(folder: str, size: int) -> str:
    settings_once()
    from django.test import Client

    client = Client()
    lines = []
    for number in range(size):
        answers = [client.get("/"), client.get(f"/items/{number % 60 + 1}/"),
                   client.post("/order/", {"name": "A Name", "mail": "a@example.org", "count": number % 50 + 1}),
                   client.post("/order/", {"name": "A Name" * (number % 5), "mail": "nobody", "count": number})]
        lines += [f"{answer.status_code} {answer.headers.get('Location')} {answer.content.decode()}" for answer in answers]
    return "\n".join(lines)
