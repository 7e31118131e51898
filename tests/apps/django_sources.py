"""A Django project's own files: what `startproject` does not make."""

NOTES = '''
import asyncio
import sys
import time
from django import forms
from django.contrib.auth.models import User
from django.db import connection
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt


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


@csrf_exempt
def raw(request):
    return JsonResponse({"size": len(request.body), "first": request.body[:5].decode()})


def fail(request):
    raise LookupError("this view fails")


async def users(request):
    names = [user.username async for user in User.objects.order_by("username")]
    one, two = await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))
    return JsonResponse({"names": names, "sum": one + two})


async def rest(request):
    await asyncio.sleep(float(request.GET["seconds"]))
    return HttpResponse("rested")


async def wait(request):
    print("a view waits", file=sys.stderr, flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("a view was cancelled", file=sys.stderr, flush=True)
        raise


async def ticks(request):
    async def lines():
        number = 0
        try:
            while True:
                yield f"{number}\\n"
                number += 1
                await asyncio.sleep(0.001)
        finally:
            print("the ticks have ended", file=sys.stderr, flush=True)
    return StreamingHttpResponse(lines(), content_type="text/plain")
'''

TEMPLATE = """
<form method="post" enctype="multipart/form-data">{% csrf_token %}{{ form.as_p }}<button>Write</button></form>
"""

URLS = '''
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
    path("raw", notes.raw),
    path("fail", notes.fail),
    path("users", notes.users),
    path("rest", notes.rest),
    path("wait", notes.wait),
    path("ticks", notes.ticks),
] + staticfiles_urlpatterns()
'''

SETTINGS = '''
TEMPLATES[0]["DIRS"] = [BASE_DIR]
'''

USER = '''
from django.contrib.auth.models import User
User.objects.create_superuser("ann", password="a good secret")
'''
