package firewall

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	pangoversion "github.com/PaloAltoNetworks/pango/version"
)

// Kinds of calls, as OnCall is told.
const (
	CallKeygen     = "keygen"
	CallSystemInfo = "system-info"
	CallRead       = "registered-ip"
	CallRegister   = "register"
	CallUnregister = "unregister"
	CallConfig     = "config"
	CallCommit     = "commit"
	CallJob        = "job"
	CallHA         = "high-availability"
	CallList       = "external-list"
	CallClear      = "clear-session"
)

// version is a PAN-OS version; the zero value is none.
type version struct{ major, minor, patch int }

// parseVersion reads "10.2.9-h1", "11.1.4", "10.2": what follows the numbers does not matter here.
func parseVersion(text string) (version, bool) {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "-")
	parts := strings.Split(text, ".")
	if len(parts) < 2 {
		return version{}, false
	}
	var n [3]int
	for i := range min(len(parts), len(n)) {
		v, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil {
			return version{}, false
		}
		n[i] = int(v)
	}
	return version{n[0], n[1], n[2]}, n[0] > 0
}

// timeouts tells whether a registered tag can carry a timeout (PAN-OS 9.0 and later).
func (v version) timeouts() bool { return v.major >= 9 }

// networks tells whether IPv4 networks can be registered (PAN-OS 10.0 and later).
func (v version) networks() bool { return v.major >= 10 }

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

// identify makes sure that there is a key, that this is a PAN-OS firewall, and that it can do what is promised.
func (d *Device) identify(ctx context.Context) error {
	key, fresh, err := d.conn.login(ctx, d, "")
	if err != nil {
		return err
	}
	body, err := d.showSystemInfo(ctx)
	if Kind(err) == KindAuth && d.conn.opts.APIKey == "" && !fresh {
		// A key can be revoked, or run out.
		if _, _, err = d.conn.login(ctx, d, key); err != nil {
			return err
		}
		body, err = d.showSystemInfo(ctx)
	}
	if err != nil {
		return err
	}
	id, e := parseSystemInfo(body)
	if e != nil {
		return d.fail(showSystemInfo, e)
	}
	d.adopt(id)
	return nil
}

const showSystemInfo = "show system info"

func (d *Device) showSystemInfo(ctx context.Context) ([]byte, error) {
	return d.call(ctx, CallSystemInfo, showSystemInfo, func() ([]byte, error) {
		return d.api.Op("<show><system><info></info></system></show>", "", nil, nil)
	})
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
		e.Text += "; the next login is tried after " + c.lockout.next.UTC().Format(time.RFC3339)
		return "", false, &e
	}
	op := "log in as " + d.tidy(c.opts.Username)
	body, err := d.call(ctx, CallKeygen, op, func() ([]byte, error) {
		form := url.Values{"type": {"keygen"}, "user": {c.opts.Username}, "password": {c.opts.Password}}
		body, _, err := d.api.Communicate(form, nil)
		return body, err
	})
	if err != nil {
		if k := Kind(err); k == KindAuth || k == KindRole || k == KindAPI {
			c.lockout.failedAt(now, d.fail(op, err))
		}
		return "", false, err
	}
	key, ok := parseKey(body)
	if !ok {
		return "", false, d.fail(op, &Error{Kind: KindMalformed, Text: "the answer holds no key"})
	}
	c.lockout = lockout{}
	c.secrets.add(key)
	c.key = key
	c.sent.Store(key)
	return key, true, nil
}

func parseKey(body []byte) (key string, ok bool) {
	var answer struct {
		Key string `xml:"result>key"`
	}
	err := xml.Unmarshal(body, &answer)
	key = strings.TrimSpace(answer.Key)
	return key, err == nil && key != "" && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}

type systemInfo struct {
	Hostname  string `xml:"result>system>hostname"`
	Model     string `xml:"result>system>model"`
	Serial    string `xml:"result>system>serial"`
	Version   string `xml:"result>system>sw-version"`
	MultiVSys string `xml:"result>system>multi-vsys"`
	Uptime    string `xml:"result>system>uptime"`
}

// identity is what a firewall says about itself.
type identity struct {
	Info
	version version
	uptime  time.Duration // negative: unknown
}

// parseSystemInfo reads the answer to "show system info", and refuses what cannot keep our promises.
func parseSystemInfo(body []byte) (identity, *Error) {
	var s systemInfo
	if err := xml.Unmarshal(body, &s); err != nil {
		return identity{}, &Error{Kind: KindMalformed, Text: err.Error(), Err: err}
	}
	id := identity{Info: Info{
		Model: tidy(s.Model, nil), Serial: tidy(s.Serial, nil), Version: tidy(s.Version, nil), Hostname: tidy(s.Hostname, nil),
		MultiVSys: strings.TrimSpace(s.MultiVSys) == "on",
	}, uptime: parseUptime(s.Uptime)}
	unsupported := func(format string, args ...any) (identity, *Error) {
		return identity{}, &Error{Kind: KindUnsupported, Text: fmt.Sprintf(format, args...)}
	}
	if id.Model == "" || id.Version == "" {
		return unsupported("this is no PAN-OS firewall: its answer names no model and software version")
	}
	var ok bool
	if id.version, ok = parseVersion(id.Version); !ok {
		return unsupported("%q is no version of PAN-OS", id.Version)
	}
	if id.Model == "Panorama" || strings.HasPrefix(id.Model, "M-") {
		return unsupported("this is a Panorama (%s), where a registered address blocks nothing: name the firewalls themselves", id.Model)
	}
	if !id.version.timeouts() {
		return unsupported("PAN-OS %s knows no timeout of registered tags (9.0 and later do), so that blocks would outlive us", id.Version)
	}
	return id, nil
}

// parseUptime reads "12 days, 3:04:05"; negative: it says something else.
func parseUptime(text string) time.Duration {
	var days, hours, minutes, seconds uint16
	if _, err := fmt.Sscanf(strings.TrimSpace(text), "%d days, %d:%d:%d", &days, &hours, &minutes, &seconds); err != nil {
		return -1
	}
	return time.Duration(days)*24*time.Hour + time.Duration(hours)*time.Hour +
		time.Duration(minutes)*time.Minute + time.Duration(seconds)*time.Second
}

// history counts what puts in doubt all that was known of a firewall.
type history struct {
	replaced int // its serial number changed: another one answers behind the same address
	rebooted int // it started anew
	updated  int // its version changed, or it was replaced
}

// adopt takes over what the firewall says about itself.
func (d *Device) adopt(id identity) {
	before := d.Info()
	d.mu.Lock()
	defer d.mu.Unlock()
	if before.Serial != "" && before.Serial != id.Serial {
		d.booted = time.Time{}
		d.history.replaced++
	}
	if before.Serial != id.Serial || before.Version != id.Version {
		d.history.updated++
	}
	if d.rebooted(id.uptime) {
		d.history.rebooted++
	}
	d.version = id.version
	d.info.Store(&id.Info)
	d.calling.Lock()
	defer d.calling.Unlock()
	d.api.Version = pangoversion.Number{Major: id.version.major, Minor: id.version.minor, Patch: id.version.patch}
}

// past gives the history, and the version, as of the last identify.
func (d *Device) past() (history, version) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.history, d.version
}

// rebooted tells whether the firewall started anew since it last told its uptime.
func (d *Device) rebooted(uptime time.Duration) bool {
	// Clocks are set, ours and the firewall's; an uptime is rounded to seconds.
	const tolerance = time.Minute
	if uptime < 0 {
		return false
	}
	last := d.booted
	d.booted = d.opts.Now().Add(-uptime)
	return !last.IsZero() && d.booted.Sub(last) > tolerance
}

// MakeKey has the firewall make an API key from the user name and password of its options, for keeping. The key is good until the
// password changes, unless the firewall limits the lifetime of keys.
func (d *Device) MakeKey(ctx context.Context) (string, error) {
	key, _, err := d.conn.login(ctx, d, "")
	return key, err
}
