{% load static %}// The service worker of every page: each thing it does is a file of its own.
importScripts("{% static 'js/sw-push.js' %}");
