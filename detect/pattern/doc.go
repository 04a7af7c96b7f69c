// Package pattern reads the lines of any log by regular expressions into events, of [detect.TypeLog]: the name that a pattern gives
// them is the event's Subtype, and its named groups are the fields of the record.
//
// It reads one line at a time: an event that a program writes over several lines is none here. What an event means, and how many of
// them are too many, is for the rules; where lines come from, and what becomes of those that no pattern takes, for the caller.
//
// # A stranger's text never names the source
//
// Log lines hold what strangers chose: user names, URLs, user agents. A pattern is to be anchored behind the last of it (with $, or
// by a group that can hold no quote where the program escapes those), or to name the source ahead of it. The sets of patterns here
// are, each tested with lines that hold whole faked messages. What a pattern cannot see is an end that was cut off on the way, so
// that a faked one stands last: of a line of [MaxLine] bytes or more, of a long one that rsyslog merged with its like, and of one of 250 bytes
// or more that busybox's syslogd may have written or sent (its header has a facility, or no host), the end is taken for cut, and $ does not match there.
//
// # Time
//
// An event's time is what the group time took, else that of the syslog header, else that of reading. The group may hold RFC 3339, a time as the firewalls write
// it, the common log format, asctime, a syslog header's time or seconds since 1970, or what the pattern's layout says; a year that is not there is the one that puts
// the time at most a day into the future. What it took and is no time is a fault: nothing stands in for it.
//
// # Cost
//
// Regular expressions are those of Go (RE2: linear in the length of the line, without look-around and back references). Before any is tried,
// one pass over the line finds which patterns' fixed texts are in it, so that a line costs what the patterns cost that may take it.
package pattern
