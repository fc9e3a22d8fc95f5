# SPDX-License-Identifier: MIT
# Paho for Python against a gateway: every QoS, both versions, many at a time, and a session that
# is found again. usage: client_paho.py PORT
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PORT = int(sys.argv[1])
COUNT = 500
SECONDS = 20


def new_client(client_id, protocol):
    kind = getattr(mqtt, "CallbackAPIVersion", None)
    first = [kind.VERSION1] if kind else []
    if protocol == mqtt.MQTTv5:
        return mqtt.Client(*first, client_id=client_id, protocol=protocol)
    return mqtt.Client(*first, client_id=client_id, protocol=protocol, clean_session=True)


def round_trip(protocol, qos):
    topic = f"paho/{protocol}/{qos}"
    client = new_client(f"paho-{protocol}-{qos}", protocol)
    seen, ready, done = [], threading.Event(), threading.Event()

    def on_message(_client, _data, message):
        seen.append(int(message.payload))
        if len(seen) == COUNT:
            done.set()

    client.on_connect = lambda *_: client.subscribe(topic, qos)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_message
    client.connect("127.0.0.1", PORT, keepalive=10)
    client.loop_start()
    assert ready.wait(SECONDS), "no SUBACK"
    # One client for both would lose count of what it has in flight (Paho 1.6).
    publisher = new_client(f"paho-{protocol}-{qos}-p", protocol)
    publisher.connect("127.0.0.1", PORT, keepalive=10)
    publisher.loop_start()
    for i in range(COUNT):
        publisher.publish(topic, str(i), qos)
    assert done.wait(SECONDS), f"{topic}: {len(seen)} of {COUNT}"
    assert seen == list(range(COUNT)), f"{topic}: out of order"
    for each in (client, publisher):
        each.disconnect()
        each.loop_stop()


def properties_pass():
    client = new_client("paho-properties", mqtt.MQTTv5)
    ready, done, seen = threading.Event(), threading.Event(), []
    options = Properties(PacketTypes.SUBSCRIBE)
    options.SubscriptionIdentifier = 77
    client.on_connect = lambda *_: client.subscribe("paho/props", 1, properties=options)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _c, _d, message: (seen.append(message), done.set())
    client.connect("127.0.0.1", PORT)
    client.loop_start()
    assert ready.wait(SECONDS), "no SUBACK"
    sent = Properties(PacketTypes.PUBLISH)
    sent.UserProperty = [("a", "1"), ("a", "2")]
    sent.ContentType = "text/plain"
    sent.CorrelationData = b"\x00\xff"
    sent.ResponseTopic = "paho/answer"
    sent.MessageExpiryInterval = 100
    client.publish("paho/props", "x", 1, properties=sent)
    assert done.wait(SECONDS), "no message"
    got = seen[0].properties
    assert got.UserProperty == [("a", "1"), ("a", "2")], got.UserProperty
    assert got.ContentType == "text/plain" and got.CorrelationData == b"\x00\xff"
    assert got.ResponseTopic == "paho/answer" and got.SubscriptionIdentifier == [77]
    assert 98 <= got.MessageExpiryInterval <= 100
    client.disconnect()
    client.loop_stop()


for protocol in (mqtt.MQTTv31, mqtt.MQTTv311, mqtt.MQTTv5):
    for qos in (0, 1, 2):
        round_trip(protocol, qos)
properties_pass()
