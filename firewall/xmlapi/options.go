package xmlapi

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const defaultTimeout = 30 * time.Second

// Options say how one firewall is reached.
type Options struct {
	Name   string // what errors call it
	URL    string // https://host[:port] of the management interface, or of the Panorama before it
	Target string // serial number of the firewall, if URL is a Panorama; "": URL is the firewall itself
	VSys   string // "": vsys1

	// APIKey, or Username and Password to have the firewall make one. APIKey goes first.
	APIKey, Username, Password string
	// ReadKey gives the API key as the file holds it now that APIKey is from; "": nothing that could be used. It is asked before every call and
	// when a key is refused, so it must be quick. nil: APIKey stays.
	ReadKey func() string

	CA                 []byte // PEM certificates that the firewall's must lead to; nil: the system's roots
	InsecureSkipVerify bool   // takes any certificate

	Timeout   time.Duration // of one request; 0: 30 s
	RetryWait time.Duration // before a call is sent again; 0: 200 ms, doubling to 2 s
	UserAgent string

	Now func() time.Time // nil: time.Now
	// Pause waits between two looks at a job; false: ctx ended first. nil: by a timer.
	Pause func(ctx context.Context, d time.Duration) bool
	// OnCall, if not nil, is told of every call when it is over, repetitions included in its time; kind is one of the
	// Call constants. It is called by the goroutine that makes the call.
	OnCall func(kind string, took time.Duration, err error)
}

// complete fills in the defaults and gives the host and port of the URL; port 0: the default.
func (o *Options) complete() (host string, port uint, err error) {
	if o.Name == "" || strings.ContainsFunc(o.Name, unicode.IsControl) {
		return "", 0, errors.New("name: must be printable and not empty")
	}
	if host, port, err = splitURL(o.URL); err != nil {
		return "", 0, err
	}
	if err = checkTarget(o.Target); err != nil {
		return "", 0, err
	}
	if o.VSys == "" {
		o.VSys = "vsys1"
	}
	o.APIKey = plainKey(o.APIKey)
	if strings.ContainsFunc(o.VSys, func(r rune) bool { return r <= ' ' || r > '~' || r == '\'' || r == '"' }) {
		return "", 0, errors.New("vsys: must be an ID such as vsys1")
	}
	if o.APIKey == "" && (o.Username == "" || o.Password == "") {
		return "", 0, errors.New("an API key, or a user name and password, is required")
	}
	if strings.ContainsFunc(o.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", 0, errors.New("the API key contains invalid characters")
	}
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	if o.Timeout < 0 {
		return "", 0, errors.New("timeout: must be greater than 0")
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
		return "", 0, errors.New("url: must be https://HOST or https://HOST:PORT")
	case u.Scheme != "https":
		return "", 0, errors.New("url: must be https, or the API key would be sent in clear text")
	case u.User != nil:
		return "", 0, errors.New("url: must not contain a user name or password")
	case u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" && strings.Trim(u.Path, "/") != "api":
		return "", 0, errors.New("url: must not contain a path, query or fragment")
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

// checkTarget takes a serial number, which is digits and, on virtual firewalls, letters.
func checkTarget(serial string) error {
	if len(serial) > 32 || strings.ContainsFunc(serial, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return errors.New("target: must be a firewall's serial number (digits and letters)")
	}
	return nil
}
