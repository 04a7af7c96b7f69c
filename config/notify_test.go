package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// secretFile writes a file with a secret.
func secretFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNotify(t *testing.T) {
	c, warnings, err := loadBytes(fmt.Appendf([]byte(sound), `notify:
  mail: {server: mail.example.com, username: ad, password_file: %s, from: ad@example.com, to: [soc@example.com, noc@example.com], digest: 1m, max_per_hour: 3, events: [block, clock]}
  webhooks:
    - {url: 'https://hooks.example.com:8443/T0/token-1', secret_file: %s, headers: {Authorization: 'Bearer hush, 1', X-Team: soc}, events: [held]}
    - {url: 'http://127.0.0.1:9000/'}
  abuseipdb: {api_key_file: %s, per_day: 5}
  syslog: {url: 'tls://[2001:db8::7]'}
`, secretFile(t, "pass word\n"), secretFile(t, "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\n"), secretFile(t, "abc123\n")))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	n := c.Notify
	if m := n.Mail; m.Server != "mail.example.com:587" || m.Password.Reveal() != "pass word" || m.Digest != time.Minute || len(m.To) != 2 || len(m.Events) != 2 || m.TLS != "starttls" {
		t.Errorf("mail: %+v", m)
	}
	w := n.Webhooks[0]
	if w.Host != "hooks.example.com:8443" || w.Secret.Reveal() != "012345678901234567890123" || len(w.Headers) != 2 || w.Headers[0].Value.Reveal() != "Bearer hush, 1" || len(n.Webhooks) != 2 {
		t.Errorf("webhook: %+v", w)
	}
	if n.AbuseIPDB.APIKey.Reveal() != "abc123" || n.AbuseIPDB.PerDay != 5 || n.Syslog.Network != "tls" || n.Syslog.Address != "[2001:db8::7]:6514" {
		t.Errorf("%+v %+v", n.AbuseIPDB, n.Syslog)
	}
	for _, secret := range []string{"pass word", "token-1", "0123456789", "hush", "abc123"} {
		if printed := fmt.Sprintf("%+v %#v", n, n); strings.Contains(printed, secret) {
			t.Errorf("%s is printed: %s", secret, printed)
		}
	}
}

func TestFaultsOfNotify(t *testing.T) {
	file := secretFile(t, "one two\n")
	for _, c := range []struct{ name, yaml, key, text string }{
		{"mail without a server", "mail: {to: [a@example.com]}", "mail.server", "is missing"},
		{"mail to nobody", "mail: {server: m, from: a@example.com}", "mail.to", "is missing"},
		{"mail from nobody", "mail: {server: m, to: [a@example.com]}", "mail.from", "is missing"},
		{"mail with a name", "mail: {server: m, from: 'A <a@example.com>', to: [a@example.com]}", "mail.from", "without a name"},
		{"mail with a second line", `mail: {server: m, from: "a@example.com\nBcc: x@example.com", to: [a@example.com]}`, "mail.from", "is not a mail address"},
		{"a faulty address", "mail: {server: m, from: a@example.com, to: [a@example.com, soc]}", "mail.to[1]", "is not a mail address"},
		{"a faulty server", "mail: {server: 'm:0', from: a@example.com, to: [a@example.com]}", "mail.server", "is not a server"},
		{"mail in clear text", "mail: {tls: none}", "mail.tls", "not one of starttls, tls"},
		{"a user without a password", "mail: {server: m, from: a@example.com, to: [a@example.com], username: u}", "mail.password_file", "is missing"},
		{"a password without a user", "mail: {server: m, from: a@example.com, to: [a@example.com], password_file: /x}", "mail.username", "is missing"},
		{"no digest", "mail: {digest: 0}", "mail.digest", "too short"},
		{"no mail", "mail: {max_per_hour: 0}", "mail.max_per_hour", "1 to 1000"},
		{"an unknown event", "mail: {events: [block, blok]}", "mail.events[1]", `"blok" is no event; use some of block, held`},
		{"an event as text", "syslog: {events: block}", "syslog.events", "such as [firewall-down, firewall-up]"},
		{"a webhook without a URL", "webhooks: [{events: []}]", "webhooks[0].url", "is missing"},
		{"a webhook in clear text", "webhooks: [{url: 'http://hush-1.example.com/'}]", "webhooks[0].url", "clear text"},
		{"a webhook with a password", "webhooks: [{url: 'https://u:hush-1@example.com/'}]", "webhooks[0].url", "user name"},
		{"a webhook without a host", "webhooks: [{url: 'https:///hush-1'}]", "webhooks[0].url", "no valid host"},
		{"a webhook twice", "webhooks: [{url: 'https://example.com/'}, {url: 'https://example.com/'}]", "webhooks[1].url", "twice"},
		{"a short secret", "webhooks: [{url: 'https://example.com/', secret_file: " + secretFile(t, "whsec_aHVzaC0x") + "}]", "webhooks[0].secret_file", "24 to 64 random bytes"},
		{"a header of ours", "webhooks: [{url: 'https://example.com/', headers: {Webhook-Id: hush-1}}]", "webhooks[0].headers", "set by the program itself"},
		{"a header with a line end", `webhooks: [{url: 'https://example.com/', headers: {X-A: "hush-1\r\nX-B: b"}}]`, "webhooks[0].headers", "is not a header"},
		{"no header", "webhooks: [{url: 'https://example.com/', headers: {'X A': hush-1}}]", "webhooks[0].headers", "is not a header"},
		{"headers as a list", "webhooks: [{url: 'https://example.com/', headers: [a]}]", "webhooks[0].headers", "must be a section"},
		{"a key of several words", "abuseipdb: {api_key_file: " + file + "}", "abuseipdb.api_key_file", "more than a key"},
		{"too many reports", "abuseipdb: {per_day: 0}", "abuseipdb.per_day", "1 to 50000"},
		{"no syslog", "syslog: {url: 'http://192.0.2.1'}", "syslog.url", "use udp://HOST:514"},
		{"syslog with a path", "syslog: {url: 'udp://192.0.2.1/x'}", "syslog.url", "use udp://HOST:514"},
		{"syslog without a host", "syslog: {url: 'udp://:514'}", "syslog.url", "is not a server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := loadBytes([]byte("notify:\n  " + c.yaml + "\n"))
			faults := faultsOf(t, err)
			if len(faults) != 1 || faults[0].Key != "notify."+c.key || !strings.Contains(faults[0].Text, c.text) || strings.Contains(faults.Error(), "hush-1") {
				t.Errorf("faults: %v, want one of notify.%s with %q", faults, c.key, c.text)
			}
		})
	}
}

func TestNotifyFromTheEnvironment(t *testing.T) {
	c, _, err := loadBytes([]byte("notify: {webhooks: [{url: 'https://example.com/'}]}"), "ACTIVEDEFENSE_NOTIFY__WEBHOOKS__0__HEADERS=X-A: a, b\nX-B: c", "ACTIVEDEFENSE_NOTIFY__MAIL__MAX_PER_HOUR=2")
	if err != nil || len(c.Notify.Webhooks[0].Headers) != 2 || c.Notify.Webhooks[0].Headers[0].Value.Reveal() != "a, b" || c.Notify.Mail.MaxPerHour != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}
