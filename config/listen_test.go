package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestAnInputThatListens(t *testing.T) {
	yaml := `inputs: [{path: /a}, {listen: "udp://:5514", allow: [192.0.2.7, "::ffff:198.51.100.0/120"], spool_size: 1GiB}, {listen: "tcp://[::1]:5514", allow: ["::1"], silent_after: 0}]`
	c, _, err := loadBytes([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	if in, ok := c.InputOf("udp://:5514"); !ok || in.Name() != "udp://:5514" {
		t.Errorf("%+v", in)
	}
	u, tcp := c.Inputs[1].Listen, c.Inputs[2].Listen
	if c.Inputs[0].Listen.On() || !u.On() || u.Network != "udp" || u.Address != ":5514" || u.SpoolSize != 1<<30 || len(u.Allow) != 2 || u.Allow[1] != netip.MustParsePrefix("198.51.100.0/24") {
		t.Errorf("%+v", u)
	}
	if tcp.Network != "tcp" || tcp.Address != "[::1]:5514" || tcp.SpoolSize != 4_000_000_000 || c.Inputs[2].Path != "" {
		t.Errorf("%+v", tcp)
	}
}

func TestFaultsOfListeners(t *testing.T) {
	for yaml, want := range map[string]string{
		`{format: auto}`: "inputs[0].path: is missing",
		`{path: /a, listen: "udp://:5514", allow: [192.0.2.1]}`:                                             "inputs[0].listen: cannot be combined with path",
		`{listen: "udp://:5514"}`:                                                                           "inputs[0].allow: is empty, and who may write lines can have anybody blocked; name the networks of the firewalls",
		`{listen: "udp://:5514", allow: [192.0.2.300]}`:                                                     "inputs[0].allow[0]: ",
		`{listen: "udp://fw:5514", allow: [192.0.2.1]}`:                                                     "is not an address to listen on",
		`{listen: "http://:5514", allow: [192.0.2.1]}`:                                                      "is not an address to listen on",
		`{listen: ":5514", allow: [192.0.2.1]}`:                                                             "is not an address to listen on",
		`{listen: "tcp://:5514/x", allow: [192.0.2.1]}`:                                                     "is not an address to listen on",
		`{listen: "tcp://[fe80::1%../../../x]:514", allow: [192.0.2.1]}`:                                    "is not an address to listen on",
		`{listen: "tcp://[fe80::1%a name]:514", allow: [192.0.2.1]}`:                                        "is not an address to listen on",
		`{listen: "tcp://:0", allow: [192.0.2.1]}`:                                                          "is not an address to listen on",
		`{listen: "tcp://:70000", allow: [192.0.2.1]}`:                                                      "is not an address to listen on",
		`{listen: "tcp://:5514", allow: [192.0.2.1], spool_size: 10KB}`:                                     "inputs[0].spool_size: 10KB is out of range",
		`{listen: "tcp://:5514", allow: [192.0.2.1], spool_size: 0}`:                                        "inputs[0].spool_size: is 0",
		`{listen: "tcp://:5514", allow: [192.0.2.1], start: end}`:                                           "inputs[0].start: cannot be end",
		`{listen: "tcp://:5514", allow: [192.0.2.1], tls: {cert_file: /c}}`:                                 "inputs[0].tls.cert_file: is for tls://",
		`{path: /a, tls: {client_ca_file: /c}}`:                                                             "inputs[0].tls.client_ca_file: is for an input that listens",
		`{path: /a, allow: [192.0.2.1]}`:                                                                    "inputs[0].allow: is for an input that listens",
		`{listen: "tls://:6514", allow: [192.0.2.1]}`:                                                       "inputs[0].tls.cert_file: is missing",
		`{listen: "tls://:6514", tls: {cert_file: /nowhere, key_file: /nowhere}}`:                           "inputs[0].tls.cert_file: cannot be read",
		`{listen: "tls://:6514", tls: {client_ca_file: /nowhere}}`:                                          "inputs[0].tls.client_ca_file: cannot be read",
		`{listen: "tcp://:5514", allow: [192.0.2.1]}, {listen: "tcp://127.0.0.1:5514", allow: [192.0.2.1]}`: "inputs[1].listen: uses the port of inputs[0].listen",
		`{listen: "tcp://:8443", allow: [192.0.2.1]}`:                                                       "inputs[0].listen: uses the port of edl.listen",
		`{listen: "tcp://127.0.0.1:9400", allow: [192.0.2.1]}`:                                              "inputs[0].listen: uses the port of admin.listen",
	} {
		if _, _, err := loadBytes([]byte("inputs: [" + yaml + "]")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", yaml, err, want)
		}
	}
	for _, yaml := range []string{
		`{listen: "udp://:8443", allow: [192.0.2.1]}`,
		`{listen: "tcp://:5514", allow: [192.0.2.1]}, {listen: "udp://:5514", allow: [192.0.2.1]}`,
		`{listen: "tcp://192.0.2.1:5514", allow: [192.0.2.1]}, {listen: "tcp://192.0.2.2:5514", allow: [192.0.2.1]}`,
	} {
		if _, _, err := loadBytes([]byte("inputs: [" + yaml + "]")); err != nil {
			t.Errorf("%s: %v", yaml, err)
		}
	}
	if _, warnings, err := loadBytes([]byte(`inputs: [{listen: "udp://:5514", allow: [0.0.0.0/0]}]`)); err != nil || !strings.Contains(keysOf(warnings), "inputs[0].allow") {
		t.Errorf("%v, %v", warnings, err)
	}
}

// How a listener's lines are read can be told from what lies beside them, whatever the configuration says by then.
func TestHowSpooledLinesAreRead(t *testing.T) {
	yaml := `inputs: [{listen: "udp://:5514", allow: [192.0.2.7], format: csv, timezone: Europe/Amsterdam, device: fw1}, {listen: "tcp://:5514", allow: [192.0.2.7], format: pattern, timezone: UTC,
  patterns: [sshd, {event: seen, regexp: 'seen <(?P<src>\S+)> at (?P<time>\S+)$', proven: true, time_format: "2006-01-02T15:04:05"}]}]`
	c, _, err := loadBytes([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Inputs {
		in := &c.Inputs[i]
		got, err := ReadSpooled(in.Spooled())
		if err != nil || got.Format != in.Format || got.Timezone != in.Timezone || got.Location.String() != in.Timezone || got.Device != in.Device || got.Listen.On() {
			t.Errorf("%+v, %v", got, err)
		}
		if (got.Patterns == nil) != (in.Patterns == nil) || in.Patterns != nil && !slices.Equal(got.Patterns.Patterns(), in.Patterns.Patterns()) {
			t.Errorf("%+v", got.Patterns)
		}
	}
	for text, want := range map[string]string{
		"": "is damaged", `{"format": "xml", "timezone": "UTC"}`: `has the format "xml"`, `{"format": "pattern", "timezone": "UTC"}`: "with 0 patterns",
		`{"format": "csv", "timezone": "Moon/East"}`: `has the time zone "Moon/East"`, `{"format": "csv"}`: `has the time zone ""`,
		`{"format": "pattern", "timezone": "UTC", "patterns": [{"event": "e", "regexp": "none"}]}`: "has patterns that this version cannot read: regexp",
	} {
		if _, err := ReadSpooled([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
