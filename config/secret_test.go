package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const hush = "hush-hush"

func TestSecretsAreNotShown(t *testing.T) {
	c, _, err := loadBytes([]byte(`
store: {url: "postgres://agent:hush-hush@db.example/ad"}
firewalls:
  - {name: A, url: https://192.0.2.1, api_key: hush-hush}
  - {name: B, url: https://192.0.2.2, username: u, password: hush-hush}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Firewalls[0].APIKey.Reveal() != hush || c.Firewalls[1].Password.Reveal() != hush || !strings.Contains(c.Store.URL, hush) {
		t.Fatalf("the secrets have not arrived: %+v", c)
	}
	for _, value := range []any{c, *c, c.Store, &c.Store, c.Firewalls, c.Firewalls[0], c.Firewalls[0].APIKey, &c.Firewalls[1].Password} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s"} {
			// %d and %t show whatever they do not know what to do with, unless stopped.
			if shown := fmt.Sprintf(verb, value); strings.Contains(shown, hush) || strings.Contains(strings.ToLower(shown), fmt.Sprintf("%x", hush)) {
				t.Errorf("%s of %T shows a secret: %s", verb, value, shown)
			}
		}
		shown, err := json.Marshal(value)
		if err != nil || strings.Contains(string(shown), hush) {
			t.Errorf("JSON of %T: %s, %v", value, shown, err)
		}
	}
	s := Secret(hush)
	shown, err := s.MarshalText()
	if s.String() != "[redacted]" || s.GoString() != "[redacted]" || string(shown) != "[redacted]" || err != nil {
		t.Errorf("String %q, GoString %q, MarshalText %q, %v", s.String(), s.GoString(), shown, err)
	}
}

func TestStoreRedacted(t *testing.T) {
	for url, want := range map[string]string{
		"":                               "",
		"postgres://db.example/ad":       "postgres://db.example/ad",
		"postgres://agent@db.example":    "postgres://agent@db.example",
		"postgres://a:hush@db/ad?b=c":    "postgres://a:redacted@db/ad?b=c",
		"postgres://db?password=hush":    "postgres://db?password=redacted",
		"postgres://db?sslPassword=hush": "postgres://db?sslPassword=redacted",
		"postgres:///ad?host=/run/pg":    "postgres:///ad?host=%2Frun%2Fpg",
		"postgres://a:1#hush@db":         "[redacted]", // a password with a bare #, / or ?
		"postgres://a:1/hush@db":         "[redacted]",
		"postgres://a:1?hush@db":         "[redacted]",
		"postgres://a:h%zzush@db":        "[redacted]",
		"host=db password=hush":          "[redacted]",
		"postgres:a:hush@db":             "[redacted]",
	} {
		if got := (Store{URL: url}).Redacted(); got != want {
			t.Errorf("Redacted(%q) = %q, want %q", url, got, want)
		}
	}
}
