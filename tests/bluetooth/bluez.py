#!/usr/bin/python3
"""Stands in for the daemons of several machines, each on a bus of its own, and for the air between them.

It has as much of BlueZ's D-Bus interfaces (org.bluez.Adapter1, Device1, ProfileManager1, Profile1) as dialing, listening
and discovering take. What a profile gets as its RFCOMM socket is one end of a socketpair, of which this process keeps a
copy until it is closed, as the daemon does.

What it answers, and under which name, is what BlueZ 5.66 (Debian 12) was seen to do between two emulated controllers, under
Linux 6.12; `real.rs` shows most of it each night. The devices are not paired:
- it asks a device what it offers once on a link, and remembers it as long as the link stays, which is for some four
  seconds after its last use (here for one);
- a service that it has never heard of is `profile-unavailable`; one whose record is gone, `not-supported`;
- a second connection of a service to a device, whoever dialed, is answered as if it had been made, and none is brought;
- a device that does not answer is forgotten. Who dialed a service of it that was known is told `aborted-by-local`; who
  dialed any other, nothing.

The argument is a list in JSON of machines: their name, bus, adapters (name, address, whether on), and which devices they
know from before. `taken` says that another program there has the service.
While the alias of an adapter is `slow`, connections from it do not come about; it is `held` from when there is one.
"""
import json
import socket
import sys

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

ADAPTER, DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
MANAGER, PROFILE = "org.bluez.ProfileManager1", "org.bluez.Profile1"
OBJECTS, PROPERTIES = "org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Properties"

machines = []

# The time for which a link stays after its last use, in milliseconds.
LINK = 1000


class Failure(dbus.DBusException):
    def __init__(self, name, message):
        super().__init__(message, name="org.bluez.Error." + name)


def variants(values):
    return dbus.Dictionary(values, signature="sv")


def texts(values):
    return dbus.Array(values, signature="s")


class Thing(dbus.service.Object):
    """An object with the properties of one interface."""

    def __init__(self, machine, path, interface=None, values=None):
        super().__init__(machine.bus, path)
        self.machine, self.path, self.interface, self.values = machine, path, interface, values or {}

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        if interface != self.interface or name not in self.values:
            raise dbus.DBusException("no " + name, name="org.freedesktop.DBus.Error.InvalidArgs")
        return self.values[name]

    @dbus.service.method(PROPERTIES, in_signature="ssv")
    def Set(self, interface, name, value):
        self.change(name, value)

    @dbus.service.signal(PROPERTIES, signature="sa{sv}as")
    def PropertiesChanged(self, interface, changed, invalidated):
        pass

    def change(self, name, value):
        self.values[name] = value
        self.PropertiesChanged(self.interface, variants({name: value}), [])


class Root(Thing):
    @dbus.service.method(OBJECTS, out_signature="a{oa{sa{sv}}}")
    def GetManagedObjects(self):
        things = self.machine.adapters + self.machine.devices()
        return dbus.Dictionary({t.path: {t.interface: variants(t.values)} for t in things}, signature="oa{sa{sv}}")

    @dbus.service.signal(OBJECTS, signature="oa{sa{sv}}")
    def InterfacesAdded(self, path, interfaces):
        pass

    @dbus.service.signal(OBJECTS, signature="oas")
    def InterfacesRemoved(self, path, interfaces):
        pass


class Manager(Thing):
    @dbus.service.method(MANAGER, in_signature="osa{sv}", sender_keyword="sender")
    def RegisterProfile(self, path, uuid, options, sender=None):
        if str(uuid) in self.machine.profiles:
            raise Failure("NotPermitted", "UUID already registered")
        self.machine.profiles[str(uuid)] = (sender, path, options.get("Role"))

    @dbus.service.method(MANAGER, in_signature="o", sender_keyword="sender")
    def UnregisterProfile(self, path, sender=None):
        # It takes a while, in milliseconds, and nobody is told when it is done.
        GLib.timeout_add(100, self.forget, sender, path)

    def forget(self, sender, path):
        profiles = self.machine.profiles
        for uuid in [u for u, (s, p, _) in profiles.items() if (s, p) == (sender, path)]:
            del profiles[uuid]


class Adapter(Thing):
    def __init__(self, machine, name, address, on):
        values = {"Address": address, "Alias": name, "Powered": on}
        super().__init__(machine, "/org/bluez/" + name, ADAPTER, values)
        self.devices, self.held = {}, []

    def device(self, other):
        """Its view of another adapter."""
        address = other.values["Address"]
        if address not in self.devices:
            device = self.devices[address] = Device(self, other)
            self.machine.root.InterfacesAdded(device.path, {DEVICE: variants(device.values)})
        return self.devices[address]

    @dbus.service.method(ADAPTER, in_signature="a{sv}")
    def SetDiscoveryFilter(self, wanted):
        pass

    @dbus.service.method(ADAPTER)
    def StartDiscovery(self):
        if not self.values["Powered"]:
            raise Failure("NotReady", "Resource Not Ready")
        for other in every_adapter():
            if other is not self and other.values["Powered"] and other.values["Address"] not in self.devices:
                # What it announces is read from the air a little later.
                GLib.idle_add(self.device(other).hear)

    @dbus.service.method(ADAPTER)
    def StopDiscovery(self):
        pass

    def change(self, name, value):
        super().change(name, value)
        if value != "slow":
            held, self.held = self.held, []
            for connect in held:
                connect()


class Device(Thing):
    def __init__(self, adapter, other):
        address = other.values["Address"]
        values = {
            "Address": address,
            "Name": other.machine.name,
            "Connected": False,
            "ServicesResolved": False,
            "UUIDs": texts([]),
        }
        super().__init__(adapter.machine, adapter.path + "/dev_" + address.replace(":", "_"), DEVICE, values)
        self.adapter, self.other = adapter, other
        # Whether a call is under way, and how many connections of the service there are.
        self.called, self.connections, self.idle = False, 0, 0

    def hear(self):
        """Learns what it offers."""
        self.learn(u for u, (_, _, role) in self.other.machine.profiles.items() if role != "client")

    def learn(self, uuids):
        self.change("UUIDs", texts(dict.fromkeys([*self.values["UUIDs"], *uuids])))

    def use_link(self):
        """It is there, and stays for a while."""
        for end in (self, self.other.device(self.adapter)):
            if not end.values["Connected"]:
                end.change("Connected", True)
            end.idle += 1
            GLib.timeout_add(LINK, end.end_link, end.idle)

    def end_link(self, idle):
        if self.idle == idle and not self.connections:
            self.change("ServicesResolved", False)
            self.change("Connected", False)

    def forget(self):
        del self.adapter.devices[self.values["Address"]]
        self.machine.root.InterfacesRemoved(self.path, [DEVICE])
        self.remove_from_connection()

    @dbus.service.method(DEVICE, in_signature="s", async_callbacks=("done", "fail"))
    def ConnectProfile(self, uuid, done=None, fail=None):
        if self.called:
            return fail(Failure("InProgress", "br-connection-busy"))
        if not self.adapter.values["Powered"]:
            return fail(Failure("NotReady", "br-connection-adapter-not-powered"))
        self.called = True

        def told(answer, *error):
            self.called = False
            answer(*error)

        connect = lambda: self.connect(str(uuid), lambda: told(done), lambda *error: told(fail, Failure(*error)))
        if self.adapter.values["Alias"] in ("slow", "held"):
            self.adapter.held.append(connect)
            self.adapter.values["Alias"] = "held"
        else:
            connect()

    def connect(self, uuid, done, fail):
        ours, theirs = self.machine.profiles.get(uuid), self.other.machine.profiles.get(uuid)
        known = uuid in self.values["UUIDs"]
        if not self.other.values["Powered"]:
            if known:
                fail("Failed", "br-connection-aborted-by-local")
            return self.forget()
        self.use_link()
        if not known and not self.values["ServicesResolved"]:
            self.hear()
            self.change("ServicesResolved", True)
            known = uuid in self.values["UUIDs"]
        if not known or ours is None:
            return fail("NotAvailable", "br-connection-profile-unavailable")
        if self.connections:
            return done()
        if theirs is None or theirs[2] == "client":
            return fail("Failed", "br-connection-not-supported")
        back = self.other.device(self.adapter)
        server, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for device, end in ((self, client), (back, server)):
            device.connections += 1
            GLib.io_add_watch(end.fileno(), GLib.IO_HUP, device.closed, end)

        def refuse(error):
            server.shutdown(socket.SHUT_RDWR)
            client.shutdown(socket.SHUT_RDWR)
            fail("Failed", "br-connection-create-socket")

        def accepted():
            hand_over(self.machine, ours, self, client, done, refuse)

        # Whoever comes for a service is taken to offer it.
        back.learn([uuid])
        hand_over(self.other.machine, theirs, back, server, accepted, refuse)

    def closed(self, _number, _condition, end):
        end.close()
        self.connections -= 1
        self.use_link()
        return False


def hand_over(machine, profile, device, end, then, otherwise):
    sender, path, _ = profile
    machine.bus.get_object(sender, path, introspect=False).NewConnection(
        dbus.ObjectPath(device.path),
        dbus.types.UnixFd(end.fileno()),
        variants({"Version": dbus.UInt16(0x0102)}),
        dbus_interface=PROFILE,
        reply_handler=then,
        error_handler=otherwise,
    )


class Machine:
    def __init__(self, of):
        self.name, self.bus = of["name"], dbus.bus.BusConnection(of["bus"])
        self.profiles = {}
        if of.get("taken"):
            self.profiles["b0b2e90d-0cda-4bb0-8e4b-fb165cd17d48"] = (None, None, None)
        self.root, self.manager = Root(self, "/"), Manager(self, "/org/bluez")
        self.adapters = [Adapter(self, a["name"], a["address"], a["on"]) for a in of["adapters"]]
        self.service = dbus.service.BusName("org.bluez", self.bus)

    def devices(self):
        return [device for adapter in self.adapters for device in adapter.devices.values()]


def every_adapter():
    return [adapter for machine in machines for adapter in machine.adapters]


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
described = json.loads(sys.argv[1])
machines += [Machine(of) for of in described]
for machine, of in zip(machines, described):
    for adapter in machine.adapters:
        for other in every_adapter():
            if other is not adapter and other.values["Address"] in of["knows"]:
                adapter.device(other)
print("ready", flush=True)
GLib.MainLoop().run()
