package config

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Events are what notices tell of.
func Events() []string {
	return []string{"block", "held", "release-by-hand", "firewall-down", "firewall-up", "verify-failed", "verify-passed", "input-silent", "input-back", "lag", "brake", "capacity",
		"certificate", "key-expiry", "reload-refused", "store", "list-unfetched", "notice", "paused", "resumed", "clock"}
}

// Notify says who is told what. Its zero value tells nobody.
type Notify struct {
	Mail      Mail
	Webhooks  []Webhook
	AbuseIPDB AbuseIPDB
	Syslog    Syslog
}

// Mail is a mail server and who gets mail through it.
type Mail struct {
	Server     string // host:port; empty: no mail
	TLS        string // starttls or tls
	CA         []byte // PEM certificates that may sign the server's; nil: the system's
	Username   string // empty: without logging in
	Password   Secret
	From       string
	To         []string      // at least one
	Digest     time.Duration // from one mail of blocks and holds to the next; 1s to 24h
	MaxPerHour int           // of them; 1 to 1000
	Events     []string      // empty: all
}

// Webhook is a URL to which each notice is posted.
type Webhook struct {
	URL     Secret   // https, or http to a loopback address; many hold a secret in their path
	Host    string   // of the URL, for people
	CA      []byte   // as of Mail
	Secret  Secret   // the key itself, 24 to 64 bytes; empty: nothing is signed
	Headers []Header // sent with each
	Events  []string // empty: all
}

// Header is a field that is sent with a request. Its value may be a secret.
type Header struct {
	Name  string
	Value Secret
}

// AbuseIPDB is the account under which proven attackers are reported.
type AbuseIPDB struct {
	APIKey Secret // empty: nothing is reported
	PerDay int    // 1 to 50000
}

// Syslog is a receiver of notices as syslog messages.
type Syslog struct {
	Network string // udp, tcp or tls; empty: none
	Address string // host:port
	CA      []byte // as of Mail, for tls
	Events  []string
}

// Any tells whether anybody is told.
func (n *Notify) Any() bool {
	return n.Mail.Server != "" || len(n.Webhooks) > 0 || n.AbuseIPDB.APIKey != "" || n.Syslog.Network != ""
}

// notifyReader reads the section notify.
type notifyReader struct{ section }

func (s notifyReader) notify() Notify {
	n := Notify{Mail: s.mail("notify.mail."), Webhooks: s.webhooks("notify.webhooks"), Syslog: s.syslog("notify.syslog."),
		AbuseIPDB: AbuseIPDB{PerDay: s.integer("notify.abuseipdb.per_day", 1, maxReports)}}
	if key := "notify.abuseipdb.api_key_file"; s.text(key) != "" {
		n.AbuseIPDB.APIKey = Secret(s.word(key))
	}
	return n
}

// word reads a file that holds one word, which others must not read.
func (s notifyReader) word(key string) string {
	v := strings.TrimSpace(string(s.privateFile(key)))
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
		s.fault(key, "contains more than a key: a key is one word of printable characters")
	}
	return v
}

func (s notifyReader) mail(at string) Mail {
	m := Mail{TLS: s.oneOf(at+"tls", mailTLS), Digest: s.duration(at+"digest", minWindow, maxWindow), MaxPerHour: s.integer(at+"max_per_hour", 1, maxMails), Events: s.events(at + "events")}
	to := s.k.Strings(at + "to")
	if s.text(at+"server") == "" {
		if s.text(at+"from") != "" || len(to) > 0 || s.text(at+"username") != "" {
			s.fault(at+"server", "is missing; set it to the mail server, such as mail.example.com:587, or leave all of notify.mail out")
		}
		return m
	}
	port := "587"
	if m.TLS == "tls" {
		port = "465"
	}
	m.Server = s.hostPort(at+"server", s.text(at+"server"), port)
	m.From = s.mailAddress(at+"from", s.filled(at+"from", "the sender, such as activedefense@example.com"))
	if len(to) == 0 {
		s.fault(at+"to", "is missing; list who gets the mail, such as [soc@example.com]")
	}
	for i, address := range to {
		m.To = append(m.To, s.mailAddress(fmt.Sprintf("%sto[%d]", at, i), address))
	}
	if s.text(at+"ca_file") != "" {
		m.CA = s.certificates(at + "ca_file")
	}
	switch m.Username = s.text(at + "username"); {
	case m.Username == "" && s.text(at+"password_file") != "":
		s.fault(at+"username", "is missing; password_file requires it")
	case m.Username != "" && s.text(at+"password_file") == "":
		s.fault(at+"password_file", "is missing; username requires it")
	case m.Username != "":
		v := strings.TrimSuffix(strings.TrimSuffix(string(s.privateFile(at+"password_file")), "\n"), "\r")
		if strings.ContainsAny(v, "\r\n\x00") {
			s.fault(at+"password_file", "contains more than one line; it must contain only the password")
		}
		m.Password = Secret(v)
	}
	return m
}

// mailAddress checks one address without a name.
func (s notifyReader) mailAddress(key, v string) string {
	if v == "" {
		s.fault(key, "is empty; use an address such as soc@example.com")
		return v
	}
	a, err := mail.ParseAddress(v)
	if err != nil || a.Address != v {
		s.fault(key, "%q is not a mail address; use one such as soc@example.com, without a name", clip(v))
	}
	return v
}

// hostPort checks host:port, or a host for the usual port.
func (s notifyReader) hostPort(key, v, usual string) string {
	host, port := strings.TrimSuffix(strings.TrimPrefix(v, "["), "]"), usual
	if h, p, ok := cutPort(v); ok {
		host, port = h, p
	}
	if !isHost(host) || port == "" || port == "0" || !validPort(port) {
		s.fault(key, "%q is not a server; use an address or a name, followed by :PORT if it is not %s", clip(v), usual)
	}
	return net.JoinHostPort(host, port)
}

func (s notifyReader) webhooks(key string) (hooks []Webhook) {
	all := s.elements(key)
	if len(all) > maxWebhooks {
		s.fault(key, "has %d entries; use at most %d", len(all), maxWebhooks)
		return nil
	}
	seen := make(map[string]string)
	for _, element := range all {
		e := notifyReader{element}
		w := Webhook{Events: e.events("events"), Headers: e.headers("headers")}
		v := e.text("url")
		w.Host = e.webhookURL("url", v)
		w.URL = Secret(v)
		if first, taken := seen[v]; taken && v != "" {
			e.fault("url", "is also %s; its receiver would get everything twice", first)
		}
		seen[v] = e.at + "url"
		if e.text("ca_file") != "" {
			w.CA = e.certificates("ca_file")
		}
		if e.text("secret_file") != "" {
			w.Secret = e.webhookSecret("secret_file")
		}
		hooks = append(hooks, w)
	}
	return hooks
}

// webhookURL checks a URL, and gives its host. No fault quotes it, for many hold a secret.
func (s notifyReader) webhookURL(key, v string) string {
	const right = "use one such as https://hooks.example.com/activedefense"
	if v == "" {
		if !s.l.faulted[s.at+key] {
			s.fault(key, "is missing; %s", right)
		}
		return ""
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		s.fault(key, "is not a URL; %s", right)
		return ""
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		s.fault(key, "does not begin with https://, so notices would be sent in clear text; %s", right)
	case u.User != nil:
		s.fault(key, "contains a user name; send an Authorization header instead (headers), and %s", right)
	case !isHost(u.Hostname()) || strings.HasSuffix(u.Host, ":") || u.Port() == "0" || !validPort(u.Port()):
		s.fault(key, "has no valid host and port; %s", right)
	case u.Fragment != "":
		s.fault(key, "has a fragment; %s", right)
	}
	return u.Host
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// webhookSecret reads the key of the signatures, written as Standard Webhooks 1.0 say: whsec_ and the base64 of 24 to 64 bytes.
func (s notifyReader) webhookSecret(key string) Secret {
	v := s.word(key)
	if v == "" {
		return "" // said, or not to be read
	}
	text, prefixed := strings.CutPrefix(v, "whsec_")
	secret, err := base64.StdEncoding.DecodeString(text)
	if !prefixed || err != nil || len(secret) < 24 || len(secret) > 64 {
		s.fault(key, "is not a secret for webhooks: whsec_ followed by the base64 of 24 to 64 random bytes; make one by: echo whsec_$(head -c 32 /dev/urandom | base64)")
		return ""
	}
	return Secret(secret)
}

// notToken tells whether a character cannot stand in a header's name (RFC 9110, 5.6.2).
func notToken(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// ourHeaders are set by us.
var ourHeaders = []string{"content-type", "content-length", "host", "transfer-encoding", "connection", "webhook-id", "webhook-timestamp", "webhook-signature"}

func (s notifyReader) headers(key string) (headers []Header) {
	for _, line := range s.k.Strings(key) {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case name == "" || strings.ContainsFunc(name, notToken) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			s.fault(key, "%q is not a header, or its value has control characters; use one such as Authorization: Bearer ...", clip(name))
		case slices.Contains(ourHeaders, strings.ToLower(name)):
			s.fault(key, "%q is set by the program itself; use another one", name)
		default:
			headers = append(headers, Header{name, Secret(value)})
		}
	}
	return headers
}

func (s notifyReader) syslog(at string) Syslog {
	y := Syslog{Events: s.events(at + "events")}
	v := s.text(at + "url")
	if v == "" {
		return y
	}
	u, err := url.Parse(v)
	ports := map[string]string{"udp": "514", "tcp": "601", "tls": "6514"} // RFC 5426, 6587, 5425
	if err != nil || ports[u.Scheme] == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		s.fault(at+"url", "%q is not a syslog receiver; use udp://HOST:514, tcp://HOST:601 or tls://HOST:6514", clip(v))
		return y
	}
	y.Network, y.Address = u.Scheme, s.hostPort(at+"url", u.Host, ports[u.Scheme])
	if s.text(at+"ca_file") != "" {
		y.CA = s.certificates(at + "ca_file")
	}
	return y
}

// events reads which events are told; none: all.
func (s notifyReader) events(key string) []string {
	events := s.k.Strings(key)
	for i, e := range events {
		if !slices.Contains(Events(), e) {
			s.fault(fmt.Sprintf("%s[%d]", key, i), "%q is no event; use some of %s, or [] for all", clip(e), strings.Join(Events(), ", "))
		}
	}
	return events
}
