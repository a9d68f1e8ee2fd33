"""a flask request loop: routes, templates, sessions, JSON, errors"""

from __future__ import annotations

SIZE, TINY = 250, 3       # rounds of five requests
NEEDS = ("flask",)

LAYOUT = """<!doctype html><title>{% block title %}{% endblock %}</title>
{% for text in get_flashed_messages() %}<p>{{ text }}</p>{% endfor %}{% block body %}{% endblock %}"""
LIST = """{% extends "layout.html" %}{% block title %}Items{% endblock %}
{% block body %}<ul>{% for item in items %}<li class="{{ loop.cycle('a', 'b') }}">
<a href="{{ url_for('shop.item', number=item.number) }}">{{ item.name|title }}</a> {{ "%.2f"|format(item.price) }}
</li>{% endfor %}</ul>{{ session.get("visits", 0) }}{% endblock %}"""


def make():
    import flask
    import jinja2

    app = flask.Flask("benchmark")
    app.secret_key = "not secret"
    app.session_interface.digest_method = staticmethod(__import__("hashlib").sha256)
    app.jinja_loader = jinja2.DictLoader({"layout.html": LAYOUT, "list.html": LIST})
    shop = flask.Blueprint("shop", "benchmark", url_prefix="/shop")
    items = [{"number": i, "name": f"item <{i}>", "price": i * 1.25} for i in range(30)]

    @app.before_request
    def count():
        flask.g.user = flask.request.headers.get("X-User", "nobody")

    @app.after_request
    def mark(response):
        response.headers["X-Served"] = flask.g.user
        return response

    @shop.get("/")
    def index():
        flask.session["visits"] = min(flask.session.get("visits", 0) + 1, 3)
        return flask.render_template("list.html", items=items)

    @shop.get("/<int:number>")
    def item(number):
        if number >= len(items):
            flask.abort(404, "no such item")
        return flask.jsonify(items[number], user=flask.g.user)

    @shop.post("/order")
    def order():
        form = flask.request.form
        total = sum(items[int(number)]["price"] for number in form.getlist("item"))
        return flask.redirect(flask.url_for("shop.index", total=total))

    @app.errorhandler(404)
    def missing(error):
        return {"error": error.description}, 404

    app.register_blueprint(shop)
    return app


def main(folder: str, size: int) -> str:
    app = make()
    lines = []
    with app.test_client() as client:
        for number in range(size):
            headers = {"X-User": f"user{number % 10}"}
            answers = [client.get("/shop/", headers=headers), client.get(f"/shop/{number % 30}", headers=headers),
                       client.get(f"/shop/{number % 9 + 100}"), client.get("/nowhere"),
                       client.post("/shop/order", data={"item": [str(number % 30), "3"], "name": "A Name"})]
            lines += [f"{answer.status_code} {answer.headers['X-Served']} {answer.get_data(as_text=True)}" for answer in answers]
    return "\n".join(lines)
