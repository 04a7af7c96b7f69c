package django

import (
	"encoding/json"
	"fmt"
	"net"
	"net/mail"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// month is what the application takes a month for, days.
const month = 30

// Configuration is the settings as a configuration of this program (YAML), in which a comment says what could not be taken over.
func (s *Settings) Configuration() string {
	w := &writer{}
	w.line("# The settings of Active Defense Syslog. Look them over, put them into the configuration, and run: activedefense check")
	for _, name := range s.Unset {
		w.line("# " + quoted(name) + " has no value there (NULL): the default is used")
	}
	w.section("store:", s.setting("  keep_records: %dd", "x_month_logs", month, 1, 1200))
	w.section("inputs:", s.inputs()...)
	w.section("detect:", s.detect()...)
	w.section("blacklist:", s.setting("  release_after: %dd", "x_month_inactive_blacklist", month, 1, 1200))
	w.section("notify:", s.mail()...)
	return w.String()
}

type writer struct{ strings.Builder }

func (w *writer) line(text string) { w.WriteString(text + "\n") }

// section writes a key and what stands below it; where that is nothing but comments, the key is one, too.
func (w *writer) section(key string, lines ...string) {
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" })
	switch {
	case len(lines) == 0:
		return
	case !slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(strings.TrimSpace(l), "#") }):
		key = "# " + key
	}
	w.line(key)
	for _, l := range lines {
		w.line(l)
	}
}

// quoted is a text as YAML has it, which has that from JSON.
func quoted(text string) string {
	b, _ := json.Marshal(text) // a string can be written
	return string(b)
}

// setting writes one setting, so many times of what it is there; "" if there is none.
func (s *Settings) setting(format, name string, times, least, most int64) string {
	n, is := s.Defense[name]
	switch {
	case !is:
		return ""
	case n < least || n > most:
		return fmt.Sprintf("  # %s is %d there, which is none of %d to %d here; the default is used", name, n, least, most)
	}
	return fmt.Sprintf(format, n*times)
}

// detect writes the defence cases. That a window is 0 switches one off there and here.
func (s *Settings) detect() (lines []string) {
	for _, c := range []struct{ rule, key, count, window string }{
		{"port_scan", "ports", "Port_Scan1_x_dstPort", "Port_Scan1_x_min"},
		{"host_sweep", "hosts", "Port_Scan2_x_dstIP", "Port_Scan2_x_min"},
	} {
		if window, is := s.Defense[c.window]; is && window == 0 {
			lines = append(lines, "  "+c.rule+": {window: 0}")
			continue
		}
		count, window := s.setting(c.key+": %d", c.count, 1, 1, 65535), s.setting("window: %dm", c.window, 1, 1, 1440)
		var parts []string
		for _, part := range []string{count, window} {
			if strings.HasPrefix(strings.TrimSpace(part), "#") {
				lines = append(lines, part)
			} else if part != "" {
				parts = append(parts, part)
			}
		}
		if len(parts) > 0 {
			lines = append(lines, "  "+c.rule+": {"+strings.Join(parts, ", ")+"}")
		}
	}
	if level, is := s.Defense["Vul_Scan1_x_severity"]; is {
		words := map[int64]string{0: "off", 1: "critical", 2: "high"}
		if word := words[level]; word != "" {
			lines = append(lines, "  vulnerability: {severity: "+quoted(word)+"}")
		} else {
			lines = append(lines, fmt.Sprintf("  # Vul_Scan1_x_severity is %d there, which is none of 0 to 2; the default is used", level))
		}
	}
	if len(lines) > 0 {
		lines = slices.Insert(lines, 0, "  # outcome: all   # would count every record, as the application does; the default counts what was refused")
	}
	return lines
}

// inputs writes the log files.
func (s *Settings) inputs() (lines []string) {
	var paths []string
	for _, l := range s.Logfiles {
		switch {
		case l.Type != "Firewall":
			lines = append(lines, fmt.Sprintf("  # %s is the log of a %s, which is not read", quoted(l.Path), quoted(l.Type)))
		case !filepath.IsAbs(l.Path) || strings.ContainsAny(l.Path, `*?[\`):
			lines = append(lines, fmt.Sprintf("  # %s is not the whole path of a file", quoted(l.Path)))
		case !slices.Contains(paths, l.Path):
			paths = append(paths, l.Path)
			lines = append(lines, "  - path: "+quoted(l.Path))
			if name := strings.TrimSpace(l.Name); isDevice(name) {
				lines = append(lines, "    device: "+quoted(name)) // what it calls it in its records
			}
		}
	}
	return lines
}

// mail writes the mail server and who gets mail.
func (s *Settings) mail() (lines []string) {
	const unset = "smtp.example.com" // what it is there before somebody sets it
	if s.Mail == nil || s.Mail.Host == unset || s.Mail.Host == "" {
		return nil
	}
	var to []string
	for _, r := range s.Recipients {
		if isMail(r) {
			to = append(to, quoted(r))
		} else {
			lines = append(lines, "  # recipient "+quoted(r)+" is no mail address")
		}
	}
	m := s.Mail
	if !isMail(m.User) || len(to) == 0 {
		return append(lines, fmt.Sprintf("  # mail through %s is left out: it needs a sender (%s there) and recipients", quoted(m.Host), quoted(m.User)))
	}
	if m.Port < 1 || m.Port > 65535 {
		return append(lines, fmt.Sprintf("  # mail through %s is left out: it needs a port of 1 to 65535 (%d there)", quoted(m.Host), m.Port))
	}
	tls := "starttls"
	if m.Port == 465 {
		tls = "tls"
	}
	lines = append(lines, "  mail:", "    server: "+quoted(net.JoinHostPort(m.Host, strconv.Itoa(m.Port))), "    tls: "+tls)
	if !m.TLS {
		lines = append(lines, "    # there it is sent in the clear; here the server has to offer TLS, with a certificate that is verified")
	}
	return append(lines, "    from: "+quoted(m.User), "    to: ["+strings.Join(to, ", ")+"]",
		"    # username: "+quoted(m.User)+"   # with the password, which stays where it is, in a file that the daemon's user alone may read:", "    # password_file: /etc/activedefense/mail.password")
}

// isDevice tells whether a name can be that of a device here.
func isDevice(name string) bool {
	return name != "" && len(name) <= 63 && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
}

func isMail(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Address == text
}
