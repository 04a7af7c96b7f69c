package xmlapi

import (
	"context"
	"encoding/xml"
	"net/url"
	"strings"
	"time"
)

// lockout spaces failed logins, so that trying again does not lock the administrator out.
type lockout struct {
	wait time.Duration
	next time.Time
	err  *Error
}

const (
	lockoutMin = 30 * time.Second
	lockoutMax = 30 * time.Minute
)

// failedAt doubles the time until the next login may be tried.
func (l *lockout) failedAt(now time.Time, err *Error) {
	l.wait = min(max(2*l.wait, lockoutMin), lockoutMax)
	l.next = now.Add(l.wait)
	l.err = err
}

// login gives the key; if there is none yet, or it is the refused one, the firewall makes one from user name and
// password. fresh: it was made now, by d's call.
func (c *connection) login(ctx context.Context, d *Device, refused string) (key string, fresh bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key != "" && c.key != refused {
		return c.key, false, nil
	}
	c.key = ""
	now := c.opts.Now()
	if c.lockout.err != nil && now.Before(c.lockout.next) {
		e := *c.lockout.err
		e.Firewall = d.opts.Name
		e.Text += "; next login attempt after " + c.lockout.next.UTC().Format(time.RFC3339)
		return "", false, &e
	}
	op := "log in as " + d.Tidy(c.opts.Username)
	body, err := d.call(ctx, CallKeygen, op, func() ([]byte, error) {
		form := url.Values{"type": {"keygen"}, "user": {c.opts.Username}, "password": {c.opts.Password}}
		body, _, err := d.api.Communicate(form, nil)
		return body, err
	})
	if err != nil {
		if k := Kind(err); k == KindAuth || k == KindRole || k == KindAPI {
			c.lockout.failedAt(now, d.Fail(op, err))
		}
		return "", false, err
	}
	key, ok := parseKey(body)
	if !ok {
		return "", false, d.Fail(op, &Error{Kind: KindMalformed, Text: "the response contains no API key"})
	}
	c.lockout = lockout{}
	c.key = key
	c.keys.set(key)
	return key, true, nil
}

// parseKey takes the key of an answer. A firewall may give it as it stands in an address, with + and = escaped (pan-python: "keygen
// request will urlencode key if needed"); calls carry it in a header, as it is. A key is base64 and holds no % of its own.
func parseKey(body []byte) (key string, ok bool) {
	var answer struct {
		Key string `xml:"result>key"`
	}
	err := xml.Unmarshal(body, &answer)
	key = plainKey(strings.TrimSpace(answer.Key))
	return key, err == nil && key != "" && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}

// MakeKey has the firewall make an API key from the user name and password of its options, for keeping. The key is good until the
// password changes, unless the firewall limits the lifetime of keys.
func (d *Device) MakeKey(ctx context.Context) (string, error) {
	key, _, err := d.conn.login(ctx, d, "")
	return key, err
}

// plainKey takes the escaping off a key that was kept as it stands in an address.
func plainKey(key string) string {
	if plain, err := url.PathUnescape(key); err == nil {
		return plain
	}
	return key
}
