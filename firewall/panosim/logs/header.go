package logs

import (
	"fmt"
	"strings"
)

// facilities numbers the syslog facilities that a server profile can name.
var facilities = map[string]int{
	"": 1, "LOG_USER": 1, "LOG_LOCAL0": 16, "LOG_LOCAL1": 17, "LOG_LOCAL2": 18, "LOG_LOCAL3": 19,
	"LOG_LOCAL4": 20, "LOG_LOCAL5": 21, "LOG_LOCAL6": 22, "LOG_LOCAL7": 23,
}

// headed puts the header of RFC 3164 (BSD) or RFC 5424 (IETF) in front of the text. A host "" leaves the name out.
// What the firewall puts into a line can hold line ends (a user name from a directory); they would end the message
// early over TCP, so they are blanked.
func (r *Record) headed(facility, format, host, text string) []byte {
	text = strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
	pri := facilities[facility]*8 + r.priority()
	if strings.EqualFold(format, "IETF") {
		if host == "" {
			host = "-"
		}
		// Two spaces before the text, as recorded.
		return fmt.Appendf(nil, "<%d>1 %s %s - - - -  %s", pri, r.Time.Format("2006-01-02T15:04:05-07:00"), host, text)
	}
	if host != "" {
		host += " "
	}
	return fmt.Appendf(nil, "<%d>%s %s%s", pri, r.Time.Format("Jan _2 15:04:05"), host, text)
}
