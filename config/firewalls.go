package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// firewalls reads the firewalls. No two share a name, or would write the same tag to the same place.
func (s section) firewalls(key string) []Firewall {
	var firewalls []Firewall
	names, places := map[string]string{}, map[string]string{}
	for _, e := range s.elements(key) {
		f := e.firewall()
		if first, taken := names[strings.ToLower(f.Name)]; taken && f.Name != "" {
			e.fault("name", "%q is also %s; names must differ in more than case", clip(f.Name), first)
		}
		names[strings.ToLower(f.Name)] = e.at + "name"
		for _, at := range []struct{ key, url string }{{"url", f.URL}, {"peer_url", f.PeerURL}} {
			place := strings.Join([]string{strings.ToLower(strings.TrimSuffix(at.url, ":443")), f.Target, f.VSys, f.Tag}, " ")
			if first, taken := places[place]; taken && at.url != "" {
				e.fault(at.key, "is the same firewall, vsys and tag as %s; they would undo each other's changes", first)
			}
			places[place] = e.at + at.key
		}
		firewalls = append(firewalls, f)
	}
	return firewalls
}

func (s section) firewall() Firewall {
	f := Firewall{Name: s.name("name"), URL: s.managementURL("url")}
	if s.set("peer_url") {
		f.PeerURL = s.managementURL("peer_url")
	}
	f.Target = s.serial("target")
	if f.Target != "" && f.PeerURL != "" {
		s.fault("peer_url", "cannot be combined with target; add a separate entry for the other member of an HA pair behind a Panorama")
	}
	s.credentials(&f)
	f.CAFile = s.text("ca_file")
	if f.CAFile != "" {
		f.CA = s.certificates("ca_file")
	}
	f.InsecureSkipVerify = s.boolean("insecure_skip_verify")
	if f.InsecureSkipVerify {
		s.l.warn(s.at+"insecure_skip_verify", "anyone on the path to the firewall can read the key and forge responses; set ca_file to the firewall's CA instead")
	}
	f.VSys = s.vsys("vsys")
	f.Mode = s.oneOf("mode", modes)
	f.Tag = s.tag("tag")
	f.MaxRemovalPercent = s.integer("max_removal_percent", 1, 100)
	f.Timeout = s.duration("timeout", minTimeout, maxTimeout)
	f.CommitInterval = s.duration("commit_interval", minInterval, maxInterval)
	f.CommitAdmin = s.printable("commit_admin", 63)
	f.RefreshInterval = s.duration("refresh_interval", minInterval, maxInterval)
	f.KillSessions = s.boolean("kill_sessions")
	f.InternetZones = s.zones("internet_zones")
	f.Sensor = s.oneOf("sensor", sensors)
	f.Panorama = s.oneOf("panorama", panoramas)
	if f.Panorama == "apply" && f.Target == "" {
		s.fault("panorama", "apply needs the firewall to be reached through its Panorama: set url to the Panorama's management address and target to the firewall's serial number, or use plan")
	}
	f.SyslogAddress = s.hostOrListen("syslog_address")
	if f.Maintenance = s.boolean("maintenance"); f.Maintenance {
		s.l.warn(s.at+"maintenance", "is true: nothing is sent to this firewall, so nobody is newly blocked or released there, and nothing is told of it; set it to false when the work on it is over")
	}
	return f
}

var serialNumber = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)

// serial reads the serial number of a firewall behind a Panorama; empty: there is none.
func (s section) serial(key string) string {
	v := s.text(key)
	if v != "" && !serialNumber.MatchString(v) {
		s.fault(key, "%q is not a serial number; use the digits and letters shown in Panorama > Managed Devices", clip(v))
	}
	return v
}

// printable reads a text of at most so many characters that holds no control characters and no spaces around it.
func (s section) printable(key string, most int) string {
	v := s.text(key)
	if utf8.RuneCountInString(v) > most || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(v) != v {
		s.fault(key, "%q is not a valid name; use up to %d printable characters without leading or trailing spaces", clip(v), most)
	}
	return v
}

// zones reads the names of zones; none means that the default routes tell.
func (s section) zones(key string) []string {
	zones := s.k.Strings(key)
	for i, z := range zones {
		if z == "" || utf8.RuneCountInString(z) > 31 || strings.TrimSpace(z) != z || strings.ContainsAny(z, "'\"") ||
			strings.ContainsFunc(z, func(r rune) bool { return !unicode.IsPrint(r) }) {
			s.fault(key+"["+strconv.Itoa(i)+"]", "%q is not a valid zone name; use up to 31 characters, as shown on the firewall", clip(z))
		}
		if slices.Contains(zones[:i], z) {
			s.fault(key+"["+strconv.Itoa(i)+"]", "%q is listed twice", clip(z))
		}
	}
	return zones
}

// hostOrListen reads a host, or a host and port; empty: none.
func (s section) hostOrListen(key string) string {
	v := s.text(key)
	host, port := v, "514"
	if h, p, ok := cutPort(v); ok {
		host, port = h, p
	}
	if n, err := strconv.ParseUint(port, 10, 16); v != "" && (!isHost(host) || err != nil || n == 0) {
		s.fault(key, "%q is not an address; use an address or name, followed by :PORT if it is not 514", clip(v))
	}
	if len(host) > 63 { // pan-os-codegen, specs/device/profiles/syslog.yaml
		s.fault(key, "%q has %d characters; PAN-OS takes at most 63 as the name of a syslog server: use a shorter one, or an address", clip(host), len(host))
	}
	return v
}

// name reads a name that serves in commands, logs and metrics.
func (s section) name(key string) string {
	v := s.filled(key, "a name for this firewall, such as LAB-FW-01")
	if utf8.RuneCountInString(v) > 63 || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(v) != v {
		s.fault(key, "%q is not a valid name; use up to 63 printable characters without leading or trailing spaces", clip(v))
	}
	return v
}

// managementURL reads https://host[:port]. No fault quotes it: someone may have put a password into it.
func (s section) managementURL(key string) string {
	const right = "use https:// and the management address, such as https://192.0.2.1"
	v := s.text(key)
	if v == "" {
		s.fault(key, "is missing; %s", right)
		return ""
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		s.fault(key, "is not a URL; %s", right)
		return v
	case u.Scheme != "https":
		s.fault(key, "does not begin with https://, so the key would be sent in clear text; %s", right)
	case u.User != nil:
		s.fault(key, "contains a user name; set username and password_file instead, and %s", right)
	case !isHost(u.Hostname()):
		s.fault(key, "has no valid host; %s", right)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		s.fault(key, "has a path, query or fragment after the host; %s", right)
	case strings.HasSuffix(u.Host, ":") || u.Port() == "0" || !validPort(u.Port()):
		s.fault(key, "has no valid port; use 1 to 65535, or none for 443")
	}
	return "https://" + u.Host
}

// validPort tells whether a port of a URL, which holds digits only, is none or fits.
func validPort(port string) bool {
	_, err := netip.ParseAddrPort("192.0.2.1:" + port)
	return port == "" || err == nil
}

// credentials reads the one way to log in that is configured.
func (s section) credentials(f *Firewall) {
	var ways []string
	for _, key := range []string{"api_key_file", "api_key"} {
		if s.set(key) {
			ways = append(ways, key)
		}
	}
	user := s.set("username") || s.set("password_file") || s.set("password")
	if user {
		ways = append(ways, "username")
	}
	switch {
	case len(ways) == 0:
		s.fault("api_key_file", "is missing, and no other credentials are set; set one of api_key_file, api_key, or username with password_file")
	case len(ways) > 1:
		s.fault(ways[1], "cannot be combined with %s; set only one of api_key_file, api_key, or username with password_file", ways[0])
	case user:
		s.password(f)
	default:
		s.apiKey(f)
	}
	switch f.PeerAPIKeyFile = s.text("peer_api_key_file"); {
	case f.PeerAPIKeyFile == "":
	case f.PeerURL == "":
		s.fault("peer_api_key_file", "is the key of the firewall at peer_url, which is missing; set it, or leave this out")
	case user:
		s.fault("peer_api_key_file", "cannot be combined with username, which logs in on both; leave it out, or use api_key_file")
	default:
		f.PeerAPIKey = keyIn(s, "peer_api_key_file")
	}
}

// ReadKey reads a file with an API key: one word of printable characters. Its errors hold nothing of what is in the file.
func ReadKey(path string) (Secret, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot be read: %w", cause(err))
	case !info.Mode().IsRegular() || info.Size() > mostBytes:
		return "", errors.New("is not a regular file, or too large for one with a key")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", cause(err))
	}
	key := strings.TrimSpace(string(content))
	if key == "" {
		return "", errors.New("is empty")
	}
	if err := checkKey(key); err != nil {
		return "", err
	}
	return Secret(key), nil
}

// checkKey tells whether a text can be a key.
func checkKey(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("contains more than a key: a key is one word of printable characters")
	}
	return nil
}

// keyIn reads the file with a key that a key of the configuration names.
func keyIn(s section, key string) Secret {
	v := strings.TrimSpace(string(s.privateFile(key)))
	if err := checkKey(v); err != nil {
		s.fault(key, "%v", err)
	}
	return Secret(v)
}

func (s section) apiKey(f *Firewall) {
	if f.APIKeyFile = s.text("api_key_file"); f.APIKeyFile != "" {
		f.APIKey = keyIn(s, "api_key_file")
		return
	}
	s.warnWritten("api_key")
	f.APIKey = Secret(s.text("api_key"))
	if err := checkKey(s.text("api_key")); err != nil {
		s.fault("api_key", "%v", err)
	}
}

func (s section) password(f *Firewall) {
	f.Username, f.PasswordFile = s.text("username"), s.text("password_file")
	if !s.set("username") {
		s.fault("username", "is missing; a password requires one")
	}
	switch {
	case s.set("password") && s.set("password_file"):
		s.fault("password", "cannot be combined with password_file; keep password_file")
	case f.PasswordFile != "":
		// One line end belongs to the file; spaces may belong to the password.
		v := strings.TrimSuffix(strings.TrimSuffix(string(s.privateFile("password_file")), "\n"), "\r")
		if strings.ContainsAny(v, "\r\n\x00") {
			s.fault("password_file", "contains more than one line; it must contain only the password")
		}
		f.Password = Secret(v)
	case s.text("password") != "":
		s.warnWritten("password")
		f.Password = Secret(s.text("password"))
	case !s.set("password") && !s.set("password_file"):
		s.fault("password_file", "is missing; username requires it")
	}
}

// warnWritten warns of a secret in the file; the environment is how containers are given theirs.
func (s section) warnWritten(key string) {
	if s.text(key) != "" && s.l.origin[s.at+key] == "" {
		s.l.warn(s.at+key, "is in the configuration file, which may be copied and shared; keep it in a separate file with %s_file", key)
	}
}

var vsysName = regexp.MustCompile(`^vsys[1-9][0-9]{0,2}$`)

func (s section) vsys(key string) string {
	v := s.text(key)
	if v == "" {
		f, _ := lookup("firewalls[]." + key)
		v, _ = f.preset.(string)
	}
	if !vsysName.MatchString(v) {
		s.fault(key, "%q is not a virtual system; use vsys1, vsys2 and so on", clip(v))
	}
	return v
}

// tag reads what a blocked address is tagged with.
func (s section) tag(key string) string {
	s.filled(key, "a tag not used for anything else, such as active-defense")
	return s.tagName(key)
}

// tagName checks a tag, unless it is empty. The tag stands in quotes in the filter of a dynamic address group, which reads
// and, or and not as operators and has no way to escape a quote.
func (s section) tagName(key string) string {
	v := s.text(key)
	word := ""
	for _, w := range strings.Fields(v) {
		switch strings.ToLower(w) {
		case "and", "or", "not":
			word = w
		}
	}
	switch {
	case utf8.RuneCountInString(v) > 127:
		s.fault(key, "is longer than the 127 characters a firewall accepts")
	case strings.ContainsAny(v, "'\"`\\") || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }):
		s.fault(key, "%q contains a quote, a backslash or a control character; use letters, digits, - and _", clip(v))
	case strings.EqualFold(v, "any") || strings.EqualFold(v, "none"):
		s.fault(key, "%q means something else where rules name objects; use another name", v)
	case word != "":
		s.fault(key, "contains the word %q, which an address group's filter treats as an operator", word)
	case strings.TrimSpace(v) != v || strings.Contains(v, "  "):
		s.fault(key, "%q has leading, trailing or double spaces, which a filter does not keep", clip(v))
	}
	return v
}
