package firewall

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	pangoversion "github.com/PaloAltoNetworks/pango/version"
)

// Kinds of calls, as OnCall is told.
const (
	kindKeygen     = "keygen"
	kindSystemInfo = "system-info"
	kindRead       = "registered-ip"
	kindRegister   = "register"
	kindUnregister = "unregister"
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
func (f *Firewall) identify(ctx context.Context) error {
	fresh := f.key == ""
	if fresh {
		if err := f.login(ctx); err != nil {
			return err
		}
	}
	body, err := f.showSystemInfo(ctx)
	if Kind(err) == KindAuth && f.opts.APIKey == "" && !fresh {
		// A key can be revoked, or run out.
		f.setKey("")
		if err := f.login(ctx); err != nil {
			return err
		}
		body, err = f.showSystemInfo(ctx)
	}
	if err != nil {
		return err
	}
	id, e := parseSystemInfo(body)
	if e != nil {
		return f.fail(showSystemInfo, e)
	}
	f.adopt(id)
	return nil
}

const showSystemInfo = "show system info"

func (f *Firewall) showSystemInfo(ctx context.Context) ([]byte, error) {
	return f.call(ctx, kindSystemInfo, showSystemInfo, func() ([]byte, error) {
		return f.api.Op("<show><system><info></info></system></show>", "", nil, nil)
	})
}

func (f *Firewall) setKey(key string) {
	f.secrets.add(key)
	f.key = key
	f.transport.setKey(key)
}

// login has the firewall make a key from user name and password.
func (f *Firewall) login(ctx context.Context) error {
	now := f.opts.Now()
	if f.lockout.err != nil && now.Before(f.lockout.next) {
		e := *f.lockout.err
		e.Text += "; the next login is tried after " + f.lockout.next.UTC().Format(time.RFC3339)
		return &e
	}
	op := "log in as " + tidy(f.opts.Username, &f.secrets)
	body, err := f.call(ctx, kindKeygen, op, func() ([]byte, error) {
		form := url.Values{"type": {"keygen"}, "user": {f.opts.Username}, "password": {f.opts.Password}}
		body, _, err := f.api.Communicate(form, nil)
		return body, err
	})
	if err != nil {
		if k := Kind(err); k == KindAuth || k == KindRole || k == KindAPI {
			f.lockout.failedAt(now, f.fail(op, err))
		}
		return err
	}
	var answer struct {
		Key string `xml:"result>key"`
	}
	err = xml.Unmarshal(body, &answer)
	key := strings.TrimSpace(answer.Key)
	if err != nil || key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return f.fail(op, &Error{Kind: KindMalformed, Text: "the answer holds no key"})
	}
	f.lockout = lockout{}
	f.setKey(key)
	return nil
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

// adopt takes over what the firewall says about itself.
func (f *Firewall) adopt(id identity) {
	before := f.Info()
	if before.Serial != "" && before.Serial != id.Serial {
		// Another device behind the same address: nothing that was known of the last one holds.
		f.held = map[netip.Prefix]Registration{}
		f.saved = nil
		f.booted = time.Time{}
	}
	if before.Serial != id.Serial || before.Version != id.Version {
		f.replaces = false
	}
	if f.rebooted(id.uptime) {
		// No source says what becomes of running timeouts when a firewall starts anew; they may even be forgotten.
		// So all of them are unknown now.
		for p, r := range f.held {
			f.held[p] = Registration{Persistent: r.Persistent}
		}
	}
	f.version = id.version
	f.api.Version = pangoversion.Number{Major: id.version.major, Minor: id.version.minor, Patch: id.version.patch}
	f.info.Store(&id.Info)
}

// rebooted tells whether the firewall started anew since it last told its uptime.
func (f *Firewall) rebooted(uptime time.Duration) bool {
	// Clocks are set, ours and the firewall's; an uptime is rounded to seconds.
	const tolerance = time.Minute
	if uptime < 0 {
		return false
	}
	last := f.booted
	f.booted = f.opts.Now().Add(-uptime)
	return !last.IsZero() && f.booted.Sub(last) > tolerance
}
