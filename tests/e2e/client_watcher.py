# SPDX-License-Identifier: MIT
# A subscriber of QoS 2 with a session of its own that comes back whenever its host is gone; prints a
# line "TOPIC PAYLOAD" for each message. mosquitto_sub is not used for this: it forgets a message
# whose PUBCOMP it cannot send. usage: client_watcher.py PORT CLIENT_ID FILTER...
import sys

import paho.mqtt.client as mqtt

port, client_id, filters = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
kind = getattr(mqtt, "CallbackAPIVersion", None)
first = [kind.VERSION1] if kind else []
client = mqtt.Client(*first, client_id=client_id, clean_session=False, protocol=mqtt.MQTTv311)
client.on_connect = lambda *_: client.subscribe([(name, 2) for name in filters])
client.on_subscribe = lambda *_: print("subscribed", file=sys.stderr, flush=True)
client.on_message = lambda _client, _data, message: print(message.topic, message.payload.decode(), flush=True)
client.reconnect_delay_set(min_delay=1, max_delay=1)
client.connect("127.0.0.1", port)
client.loop_forever()
