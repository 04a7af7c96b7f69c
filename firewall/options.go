package firewall

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	defaultTimeout = 30 * time.Second
	defaultRemoval = 30
	defaultBatch   = 500
	maxBatch       = 1000
	maxTag         = 127
)

// Options describe one firewall and how it is treated.
type Options struct {
	Name string // what errors call it
	URL  string // https://host[:port]
	VSys string // "": vsys1
	Tag  string // owned by us alone: what bears it and is not wanted is removed

	// APIKey, or Username and Password to have the firewall make one. APIKey goes first.
	APIKey, Username, Password string

	CA                 []byte // PEM certificates that the firewall's must lead to; nil: the system's roots
	InsecureSkipVerify bool   // takes any certificate

	Timeout           time.Duration // of one request; 0: 30 s
	MaxRemovalPercent int           // the brake: 1 to 100 (off); 0: 30
	BatchSize         int           // addresses in one message, at most 1000; 0: 500
	UserAgent         string

	// PassTime, if not 0, is the time after which a pass begins no further message and leaves the rest to the next one
	// (Report.Backlog), so that what is new does not wait behind a long backlog. Two messages are always sent. 0: a pass
	// sends everything.
	PassTime time.Duration

	Now func() time.Time // nil: time.Now
	// OnCall, if not nil, is told of every call when it is over, repetitions included in its time; kind is one of
	// "keygen", "system-info", "registered-ip", "register", "unregister". It is called by the goroutine that
	// reconciles.
	OnCall func(kind string, took time.Duration, err error)
}

// complete fills in the defaults and gives the host and port of the URL; port 0: the default.
func (o *Options) complete() (host string, port uint, err error) {
	if o.Name == "" || strings.ContainsFunc(o.Name, unicode.IsControl) {
		return "", 0, errors.New("a printable name is needed")
	}
	if host, port, err = splitURL(o.URL); err != nil {
		return "", 0, err
	}
	if o.VSys == "" {
		o.VSys = "vsys1"
	}
	if strings.ContainsFunc(o.VSys, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", 0, errors.New("vsys: a name such as vsys1 is needed")
	}
	if err = checkTag(o.Tag); err != nil {
		return "", 0, err
	}
	if o.APIKey == "" && (o.Username == "" || o.Password == "") {
		return "", 0, errors.New("an API key, or user name and password, is needed")
	}
	if strings.ContainsFunc(o.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", 0, errors.New("the API key holds characters that no key has")
	}
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.MaxRemovalPercent = cmp.Or(o.MaxRemovalPercent, defaultRemoval)
	o.BatchSize = cmp.Or(o.BatchSize, defaultBatch)
	switch {
	case o.Timeout < 0 || o.PassTime < 0:
		return "", 0, errors.New("timeout: more than 0 is needed")
	case o.MaxRemovalPercent < 0 || o.MaxRemovalPercent > 100:
		return "", 0, errors.New("max_removal_percent: 1 to 100 is needed")
	case o.BatchSize < 0 || o.BatchSize > maxBatch:
		return "", 0, fmt.Errorf("batch size: 1 to %d is needed", maxBatch)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return host, port, nil
}

func splitURL(raw string) (host string, port uint, err error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", 0, errors.New("url: https://HOST or https://HOST:PORT is needed")
	case u.Scheme != "https":
		return "", 0, errors.New("url: only https is spoken, for the key would travel in the clear")
	case u.User != nil:
		return "", 0, errors.New("url: it must hold no user name or password")
	case u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" && strings.Trim(u.Path, "/") != "api":
		return "", 0, errors.New("url: nothing may follow the host and port")
	}
	host = u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", 0, errors.New("url: the port must be 1 to 65535")
		}
		port = uint(n)
	}
	return host, port, nil
}

// checkTag refuses what would break the filter of a dynamic address group, in which the tag stands between quotes.
func checkTag(tag string) error {
	if tag == "" || len(tag) > maxTag {
		return fmt.Errorf("tag: 1 to %d characters are needed", maxTag)
	}
	if tag != strings.TrimSpace(tag) || strings.ContainsFunc(tag, func(r rune) bool {
		return r == '\'' || r == '"' || !unicode.IsPrint(r)
	}) {
		return errors.New("tag: quotes, control characters and outer spaces cannot be matched by an address group")
	}
	return nil
}
