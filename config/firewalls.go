package config

import (
	"net/netip"
	"net/url"
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
				e.fault(at.key, "is the same firewall, vsys and tag as %s; two would undo each other's work", first)
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
		s.fault("peer_url", "stands beside target; for the other member of a pair behind a Panorama write an entry of its own")
	}
	s.credentials(&f)
	f.CAFile = s.text("ca_file")
	if f.CAFile != "" {
		f.CA = s.certificates("ca_file")
	}
	f.InsecureSkipVerify = s.boolean("insecure_skip_verify")
	if f.InsecureSkipVerify {
		s.l.warn(s.at+"insecure_skip_verify", "anyone between here and the firewall can read the key and forge answers; give the firewall's CA in ca_file instead")
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
	f.SyslogAddress = s.hostOrListen("syslog_address")
	return f
}

var serialNumber = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)

// serial reads the serial number of a firewall behind a Panorama; empty: there is none.
func (s section) serial(key string) string {
	v := s.text(key)
	if v != "" && !serialNumber.MatchString(v) {
		s.fault(key, "%q is no serial number; write the digits and letters that Panorama > Managed Devices shows", clip(v))
	}
	return v
}

// printable reads a text of at most so many characters that holds no control characters and no spaces around it.
func (s section) printable(key string, most int) string {
	v := s.text(key)
	if utf8.RuneCountInString(v) > most || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(v) != v {
		s.fault(key, "%q is no name; write up to %d printable characters without spaces around them", clip(v), most)
	}
	return v
}

// zones reads the names of zones; none means that they are to be recognised.
func (s section) zones(key string) []string {
	zones := s.k.Strings(key)
	for i, z := range zones {
		if z == "" || utf8.RuneCountInString(z) > 31 || strings.TrimSpace(z) != z || strings.ContainsAny(z, "'\"") ||
			strings.ContainsFunc(z, func(r rune) bool { return !unicode.IsPrint(r) }) {
			s.fault(key+"["+strconv.Itoa(i)+"]", "%q is no name of a zone; write up to 31 characters as the firewall shows it", clip(z))
		}
		if slices.Contains(zones[:i], z) {
			s.fault(key+"["+strconv.Itoa(i)+"]", "%q stands there twice", clip(z))
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
		s.fault(key, "%q is no address; write an address or name, with :PORT behind it if it is not 514", clip(v))
	}
	return v
}

// name reads a name that serves in commands, logs and metrics.
func (s section) name(key string) string {
	v := s.filled(key, "what you call this firewall, such as LAB-FW-01")
	if utf8.RuneCountInString(v) > 63 || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(v) != v {
		s.fault(key, "%q does not serve as a name; write up to 63 printable characters without spaces around them", clip(v))
	}
	return v
}

// managementURL reads https://host[:port]. No fault quotes it: someone may have put a password into it.
func (s section) managementURL(key string) string {
	const right = "write https:// and the management address, such as https://192.0.2.1"
	v := s.text(key)
	if v == "" {
		s.fault(key, "is missing; %s", right)
		return ""
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		s.fault(key, "is no URL; %s", right)
		return v
	case u.Scheme != "https":
		s.fault(key, "does not begin with https://; the key would travel for all to read; %s", right)
	case u.User != nil:
		s.fault(key, "holds a user; put it into username with password_file, and %s", right)
	case !isHost(u.Hostname()):
		s.fault(key, "has no valid host; %s", right)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		s.fault(key, "has something behind the host; %s", right)
	case strings.HasSuffix(u.Host, ":") || u.Port() == "0" || !validPort(u.Port()):
		s.fault(key, "has no valid port; write 1 to 65535, or none for 443")
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
		s.fault("api_key_file", "is missing, and so is every other way to log in; give one of api_key_file, api_key, or username with password_file")
	case len(ways) > 1:
		s.fault(ways[1], "stands beside %s; give one way to log in: api_key_file, api_key, or username with password_file", ways[0])
	case user:
		s.password(f)
	default:
		s.apiKey(f)
	}
}

func (s section) apiKey(f *Firewall) {
	key := "api_key"
	v := s.text(key)
	if f.APIKeyFile = s.text("api_key_file"); f.APIKeyFile != "" {
		key = "api_key_file"
		v = strings.TrimSpace(string(s.privateFile(key)))
	} else {
		s.warnWritten(key)
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
		s.fault(key, "holds more than a key: a key is one word of letters, digits and signs")
	}
	f.APIKey = Secret(v)
}

func (s section) password(f *Firewall) {
	f.Username, f.PasswordFile = s.text("username"), s.text("password_file")
	if !s.set("username") {
		s.fault("username", "is missing; a password needs one")
	}
	switch {
	case s.set("password") && s.set("password_file"):
		s.fault("password", "stands beside password_file; keep password_file")
	case f.PasswordFile != "":
		// One line end belongs to the file; spaces may belong to the password.
		v := strings.TrimSuffix(strings.TrimSuffix(string(s.privateFile("password_file")), "\n"), "\r")
		if strings.ContainsAny(v, "\r\n\x00") {
			s.fault("password_file", "holds more than one line; write the password and nothing else")
		}
		f.Password = Secret(v)
	case s.text("password") != "":
		s.warnWritten("password")
		f.Password = Secret(s.text("password"))
	case !s.set("password") && !s.set("password_file"):
		s.fault("password_file", "is missing; username needs it")
	}
}

// warnWritten warns of a secret in the file; the environment is how containers are given theirs.
func (s section) warnWritten(key string) {
	if s.text(key) != "" && s.l.origin[s.at+key] == "" {
		s.l.warn(s.at+key, "is written in the configuration, which gets copied and shown around; keep it in a file of its own with %s_file", key)
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
		s.fault(key, "%q is no virtual system; write vsys1, vsys2 and so on", clip(v))
	}
	return v
}

// tag reads what a blocked address is tagged with. The tag stands in quotes in the filter of a
// dynamic address group, which reads and, or and not as operators and has no way to escape a quote.
func (s section) tag(key string) string {
	v := s.filled(key, "a tag that nothing else uses, such as active-defense")
	word := ""
	for _, w := range strings.Fields(v) {
		switch strings.ToLower(w) {
		case "and", "or", "not":
			word = w
		}
	}
	switch {
	case utf8.RuneCountInString(v) > 127:
		s.fault(key, "is longer than the 127 characters a firewall takes")
	case strings.ContainsAny(v, "'\"`\\") || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }):
		s.fault(key, "%q holds a quote, a backslash or a control character; write letters, digits, - and _", clip(v))
	case word != "":
		s.fault(key, "holds the word %q, which the filter of an address group reads as an operator", word)
	case strings.TrimSpace(v) != v || strings.Contains(v, "  "):
		s.fault(key, "%q holds spaces around it or two in a row, which a filter does not keep", clip(v))
	}
	return v
}
