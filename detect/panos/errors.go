package panos

import (
	"errors"

	"activedefense/detect"
)

// ErrIgnored says that the line is no fault and no event: it is blank, or a
// record of another log (CONFIG, USERID, SYSTEM unless it tells of a login, ...).
var ErrIgnored error = ignored("not a TRAFFIC, THREAT or GLOBALPROTECT record, nor a login in a SYSTEM record")

// ErrCut says that a record is of a login and names no client: its description is so long that PAN-OS may have cut it, or
// does not end as the firewall's own text does. A user who is long enough can bring that about, and nothing more.
var ErrCut error = cutOff("a login without the client's address: expected a description below 500 bytes that ends in \"From: ADDRESS.\"")

// ErrUncertainLogin says that a record in CEF or LEEF is of a login, and that who tried may have written the client's address or the
// status: there are several.
var ErrUncertainLogin error = cutOff("a login with several addresses of the client, or results, any of which who tried may have written: it counts for nobody")

// ErrUncertainThreat says that a record in CEF or LEEF is of a threat, and that who sent it may have written what says that it is no attack: a relay may have cut the record off behind that.
var ErrUncertainThreat error = cutThreat("a threat whose direction, subtype or severity stand behind an address of a page and say that it is no attack, in a record that a relay may have cut off: it counts for nobody; " +
	"expected them ahead of the address, or one of the template's last keys at the end, such as dvchost or DeviceName, and another length than relays cut at (1,024, 2,048, 4,096, 8,192 bytes)")

type ignored string

func (e ignored) Error() string        { return string(e) }
func (e ignored) Is(target error) bool { return target == detect.ErrNoEvent }

type cutOff string

func (e cutOff) Error() string        { return string(e) }
func (e cutOff) Is(target error) bool { return target == detect.ErrCut || target == detect.ErrHidden }

type cutThreat string

func (e cutThreat) Error() string        { return string(e) }
func (e cutThreat) Is(target error) bool { return target == detect.ErrCut }

// Faults of a line. They are fixed values, so that a flood of bad lines costs
// nothing, and say what was expected.
var (
	// ErrJSON: what HTTP server profiles send is what their administrators wrote, so that no one can know it; Strata's JSON is not read.
	ErrJSON = errors.New("a record in JSON, which is not read: expected key=value, the default comma-separated format, CEF or LEEF")
	// ErrUncertain: a stranger may have written the source address.
	ErrUncertain = errors.New("two source addresses, behind text that a stranger may have chosen: expected src ahead of users and contents, or once")
	// ErrNoFormat: neither of the formats begins where the syslog header ends.
	ErrNoFormat = errors.New("no log record found: expected a line that begins with SrcLocation=, Type=, CEF: or LEEF:, or the default comma-separated format, after the syslog header")
	// ErrCloudFormat: Strata Logging Service forwards other columns.
	ErrCloudFormat = errors.New("this is the format of Strata Logging Service (an ISO time in place of receive_time): expected the firewall's own log forwarding, or its CEF or LEEF")
	// ErrTruncated: the line ends too early.
	ErrTruncated = errors.New("the record is cut off: expected a Type key, or 26 columns (GLOBALPROTECT 29, SYSTEM 16), or all keys of the GlobalProtect or System format, or in CEF and LEEF the type of the log, the destination port and the action, and in THREAT records what stands behind the action and the address of the page: subtype, severity, direction, and an end that is no address of a page")
	// ErrColumns: a value moved the columns behind it, or its quotes are not the format's.
	ErrColumns = errors.New("the columns are not in their places: expected values with commas or quotes in quotes, inner quotes doubled")
	// ErrAmbiguous: keys left out or in another order, and one of them twice.
	ErrAmbiguous = errors.New("a key occurs twice: expected all sixteen keys in the documented order, or each at most once")
	// ErrKeyOrder: a format of the site's own in which strangers' text precedes SrcIP.
	ErrKeyOrder = errors.New("a user or threat before the source address: expected SrcIP before SrcUser, ThreatName and ThreatID")
	// ErrNoSource: the source address is missing or empty.
	ErrNoSource = errors.New("no source address: expected SrcIP, or an address in column 8")
	// ErrBadAddress: source or destination is no IP address.
	ErrBadAddress = errors.New("bad address: expected an IPv4 or IPv6 address")
	// ErrBadPort: a port is no number or above 65535.
	ErrBadPort = errors.New("bad port: expected a number from 0 to 65535")
	// ErrBadTime: the record's time cannot be read and is not of this year, and its header has no year.
	ErrBadTime = errors.New("a time that cannot be read, of another year than a header without one would be of: expected one such as 2026/11/29 12:00:00")
)
