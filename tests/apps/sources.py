"""Applications as their authors write them: what `startproject` does not make, and what Flask's first page shows."""

DJANGO_NOTES = '''
import time
from django import forms
from django.db import connection, models
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render


class NoteForm(forms.Form):
    text = forms.CharField()
    picture = forms.FileField(required=False)


def write(request):
    form = NoteForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        picture = form.cleaned_data["picture"]
        size = sum(len(chunk) for chunk in picture.chunks()) if picture else 0
        request.session["last"] = f"{form.cleaned_data['text']} with {size} bytes"
        return redirect("/notes/last")
    return render(request, "write.html", {"form": form})


def last(request):
    return HttpResponse(request.session.get("last", "nothing"), content_type="text/plain; charset=utf-8")


def count(request):
    return StreamingHttpResponse((f"{number}\\n" for number in range(1000)), content_type="text/plain")


def manage(request):
    return FileResponse(open("manage.py", "rb"))


def who(request, name):
    with connection.cursor() as cursor:
        cursor.execute("select 6 * 7")
        answer = cursor.fetchone()[0]
    return JsonResponse({"path": request.path, "url": request.build_absolute_uri(), "name": name, "answer": answer,
                         "from": request.META["REMOTE_ADDR"], "script": request.META["SCRIPT_NAME"]})


def sleep(request):
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse("slept")


def fail(request):
    raise LookupError("this view fails")
'''

DJANGO_TEMPLATE = """
<form method="post" enctype="multipart/form-data">{% csrf_token %}{{ form.as_p }}<button>Write</button></form>
"""

DJANGO_URLS = '''
from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import path
import notes

urlpatterns = [
    path("admin/", admin.site.urls),
    path("notes/write", notes.write),
    path("notes/last", notes.last),
    path("count", notes.count),
    path("manage", notes.manage),
    path("who/<name>", notes.who),
    path("sleep", notes.sleep),
    path("fail", notes.fail),
] + staticfiles_urlpatterns()
'''

DJANGO_SETTINGS = '''
TEMPLATES[0]["DIRS"] = [BASE_DIR]
'''

FLASK_HELLO = '''
from flask import Flask

app = Flask(__name__)

@app.route("/")
def hello_world():
    return "<p>Hello, World!</p>"
'''

FLASK_MORE = '''
import io
from flask import Flask, Response, flash, redirect, request, send_file, session, stream_with_context, url_for


def create_app():
    app = Flask(__name__)
    app.secret_key = "for a test"

    @app.get("/stream")
    def stream():
        @stream_with_context
        def lines():
            for number in range(3):
                yield f"{number} {request.args['name']}\\n"
        return lines()

    @app.post("/upload")
    def upload():
        file = request.files["file"]
        return {"name": file.filename, "size": len(file.read()), "form": request.form.get("text")}

    @app.post("/raw")
    def raw():
        return {"size": len(request.get_data()), "length": request.content_length}

    @app.get("/file")
    def file():
        return send_file(__file__, mimetype="text/plain", conditional=True)

    @app.get("/memory")
    def memory():
        return send_file(io.BytesIO(b"from memory"), mimetype="text/plain")

    @app.get("/count")
    def count():
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/name/<path:name>")
    def name(name):
        return {"name": name, "url": request.url, "root": request.script_root, "to": url_for("stream")}

    @app.get("/cookies")
    def cookies():
        response = Response("two")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    @app.get("/broken")
    def broken():
        def lines():
            yield "one\\n"
            raise LookupError("the second is missing")
        return lines()

    return app
'''

WSGIDAV = '''
from wsgidav.fs_dav_provider import FilesystemProvider
from wsgidav.wsgidav_app import WsgiDAVApp

application = WsgiDAVApp({
    "provider_mapping": {"/": FilesystemProvider("shared")},
    "simple_dc": {"user_mapping": {"*": True}},
    "verbose": 1,
    "http_authenticator": {"domain_controller": None},
})
'''

WEBDAV_CLIENT = '''
import sys
from webdav3.client import Client

client = Client({"webdav_hostname": sys.argv[1]})
client.mkdir("folder")
client.upload_sync(remote_path="folder/one.txt", local_path="local.txt")
client.copy("folder/one.txt", "folder/two.txt")
client.move("folder/two.txt", "folder/three.txt")
client.download_sync(remote_path="folder/three.txt", local_path="back.txt")
print(sorted(client.list("folder")), client.check("folder/two.txt"), client.info("folder/three.txt")["size"])
client.clean("folder")
print(client.check("folder"))
'''

PROMETHEUS = '''
from prometheus_client import Counter, make_wsgi_app

Counter("visits", "How many came").inc(3)
app = make_wsgi_app()
'''
