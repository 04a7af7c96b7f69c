// Package panos turns one line of a syslog file that a Palo Alto firewall wrote
// into a detect.Event. It reads TRAFFIC and THREAT logs in the documented
// key=value format (CustomFormat), in the two longer ones that add what became of a session
// (TrafficFormat, ThreatFormat), and in PAN-OS's default comma-separated one, with or without
// a syslog header, as the firewall, rsyslog or another relay left them. It reads GLOBALPROTECT logs, and
// of SYSTEM logs the logins, in key=value formats of their own (GlobalProtectFormat, SystemFormat) and in the default one.
// It reads all of these in CEF and LEEF, too, as PAN-OS's templates and Strata Logging Service write them.
//
// It decides nothing: which events count is package detect's business, and where
// lines come from and what happens to bad ones is the caller's. Strata's comma-separated
// lines, JSON, and CEF and LEEF of other products are recognised and refused.
//
// # A value never forges a field
//
// Users, threat names and regions hold whatever strangers put there: `;`, `=`,
// quotes, commas, key names, whole log lines. The key=value format escapes
// nothing, so a line may have several readings. These rules choose one; the
// comment on layout has the argument.
//
// SrcIP is the firewall's in every line that is read, whatever user, threat name and
// threat id hold: no stranger can have another's address blocked.
//
// A complete line, all sixteen keys in the documented order, is read so that
//
//   - SrcPort, Severity, Subtype and Type are the firewall's too, whatever those hold;
//   - DstIP, DstPort, Action, RuleName, RuleID and TimeReceived are the firewall's,
//     whatever the user holds; and whatever threat name and id hold, short of
//     DstLocation and, somewhere behind it, an unbroken row of the keys DstIP to
//     ThreatName. Such a line is the very string that a hostile user would have made,
//     and is read as that, because users are the easier to choose. (Nothing else that
//     they hold makes the line unreadable, either.)
//
// The longer formats are the shorter one and a tail of further keys, whose values are the firewall's own words and numbers
// or, as zones are, named by administrators without semicolons. In a complete line of them all of the tail is the
// firewall's too, the times with it, whatever user, threat name and threat id hold: it stands behind them at the
// end of the line, and its last key, which no stranger's text can stand behind, says which tail it is. Of lines that
// are not complete no tail is read, so that a user who holds one gives a line of the shorter format nothing.
//
// Regions are named by administrators. They may hold anything but SrcIP with another
// key behind it, SrcUser, ThreatName and ThreatID as keys (source), or an unbroken row
// of the keys DstIP to ThreatName (destination).
//
// A line that leaves keys out or orders them differently is read if SrcIP stands
// before user, threat name and threat id, and no known key occurs twice; else it is
// refused, with ErrKeyOrder or ErrAmbiguous. There a stranger can supply the keys that
// the site left out, so sites should leave none out.
//
// A relay that splits long messages (rsyslog does above maxMessageSize, over TCP) may
// begin a line with what a stranger wrote; no parser can tell that from a message.
//
// In the formats of GLOBALPROTECT and SYSTEM what strangers choose stands last, so all ahead of it is the firewall's. The
// description of a SYSTEM record holds a user and behind him the address of the client: see readLogin. It may not be cut on
// its way: a relay that does, at fewer than 500 bytes of it, lets a user of the right length end it with an address.
//
// In CEF and LEEF it matters where a key stands: see package extension.
//
// In the comma-separated format values are quoted by the firewall, and nothing a
// value holds can move a column. Some firewalls leave the quotes away from what strangers
// sent far right in a THREAT record (HTTP headers): columns behind such a value are not read.
package panos
