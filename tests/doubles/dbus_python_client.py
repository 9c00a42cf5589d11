"""A Skype API client on dbus-python and GLib: shares no line with this project.

Run by the system's Python with a bus address. It attaches as Skype4Py does (Invoke
without naming an interface, Notify exported on /com/Skype/Client), calls `echo`,
sends two digits, hangs up once the call has been answered, and prints what it heard
as one JSON object.
"""

import json
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib


class Client(dbus.service.Object):
    """The object that Skype notifies."""

    def __init__(self, bus, loop):
        super().__init__(bus, "/com/Skype/Client")
        self.skype = bus.get_object("com.Skype.API", "/com/Skype")
        self.loop = loop
        self.replies = []
        self.heard = []

    def say(self, text):
        reply = str(self.skype.Invoke(text))
        self.replies.append([text, reply])
        return reply

    def start(self):
        self.say("NAME dbus-python")
        self.say("PROTOCOL 5")
        self.say("#0 SEARCH ACTIVECALLS")
        self.say("#1 CALL echo")
        return False

    @dbus.service.method("com.Skype.API.Client", in_signature="s")
    def Notify(self, message):  # noqa: N802 - the API's name
        self.heard.append(str(message))
        words = str(message).split()
        if words[0] == "CALL" and words[2:] == ["STATUS", "INPROGRESS"]:
            # Not from here: a synchronous call would hold up the loop's own work.
            GLib.idle_add(self.finish, words[1])
        if words[0] == "CALL" and words[2:] == ["STATUS", "FINISHED"]:
            self.loop.quit()

    def finish(self, call_id):
        self.say(f"#2 ALTER CALL {call_id} DTMF 5")
        self.say(f"#3 SET CALL {call_id} DTMF #")
        self.say(f"#4 GET CALL {call_id} PARTNER_HANDLE")
        self.say(f"#5 ALTER CALL {call_id} END HANGUP")
        return False


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    loop = GLib.MainLoop()
    client = Client(dbus.bus.BusConnection(sys.argv[1]), loop)
    GLib.idle_add(client.start)
    GLib.timeout_add_seconds(20, loop.quit)
    loop.run()
    print(json.dumps({"replies": client.replies, "heard": client.heard}))  # noqa: T201


if __name__ == "__main__":
    main()
