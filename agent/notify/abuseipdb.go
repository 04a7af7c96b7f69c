package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/config"
	"activedefense/store"
)

// What follows about AbuseIPDB is from its API's documentation, version 2 (docs.abuseipdb.com).
const (
	abuseURL   = "https://api.abuseipdb.com/api/v2"
	reportAge  = 24 * time.Hour   // an older attack is not reported
	reportGap  = 15 * time.Minute // between two reports of one address
	bulkFrom   = 50               // from so many on that wait, they go in one call
	bulkMost   = 9_000            // of 10,000 lines, the header among them
	mostAsleep = 24 * time.Hour   // whatever Retry-After says
)

// reporter reports proven attackers to AbuseIPDB. It is for one goroutine.
type reporter struct {
	*config.AbuseIPDB
	base    string
	client  *http.Client
	version string
	now     func() time.Time
	noBulk  time.Time // until then reports go one by one
	bulkMax int       // reports of a call; 0: bulkMost
	inRow   int       // reports that were refused as such, one after another
	giveUp  func(n *store.Notice, err error)
	reports
}

// reports is what a restart has to know.
type reports struct {
	Day   string               `json:"day"`   // in UTC, of which Count is
	Count int                  `json:"count"` // reports
	Last  map[string]time.Time `json:"last"`  // of each address, within reportGap
}

func newReporter(c *config.AbuseIPDB, base string, o Options) *reporter {
	client, _ := client(nil) // which fails with a CA alone
	return &reporter{AbuseIPDB: c, base: base, client: client, version: o.Version, now: o.Now, reports: reports{Last: make(map[string]time.Time)}}
}

func (p *reporter) receiver() *receiver {
	r := &receiver{name: "abuseipdb", key: "abuseipdb", lanes: []lane{{events: []string{store.EventBlock}}}, load: bulkMost, each: bulkMost, send: p.send, test: p.check, state: p.state, restore: p.restore}
	p.giveUp = r.giveUp
	return r
}

func (p *reporter) state() string {
	text, _ := json.Marshal(p.reports) // texts, numbers and times can always be written
	return string(text)
}

// restore takes in what state gave; what cannot be read is as if nothing had been reported.
func (p *reporter) restore(state string) {
	var r reports
	if json.Unmarshal([]byte(state), &r) != nil {
		return
	}
	p.Day, p.Count = r.Day, r.Count
	maps.Copy(p.Last, r.Last)
}

// attacker is the address that is reported; of a network that stands for one, the one that was seen last.
func attacker(n *store.Notice) string { return cmp.Or(n.Source, n.Address) }

// due tells whether a notice is to be reported: a single public address that the detector blocked for proven evidence, not long ago, and not
// reported within the last minutes.
func (p *reporter) due(n *store.Notice, now time.Time) bool {
	a, err := netip.ParseAddr(attacker(n))
	return err == nil && n.Grade == store.Proven.String() && n.By == store.ByDetector && now.Sub(n.Seen) < reportAge && now.Sub(n.Time) < reportAge &&
		a.IsGlobalUnicast() && !a.IsPrivate() && now.Sub(p.Last[attacker(n)]).Abs() >= reportGap // one of a clock that was ahead, too
}

// send reports the first of the notices that is due, or where many are, all of them.
func (p *reporter) send(ctx context.Context, notices []store.Notice) (done int, err error) {
	now := p.now()
	maps.DeleteFunc(p.Last, func(_ string, at time.Time) bool { return now.Sub(at).Abs() >= reportGap })
	if today := now.UTC().Format(time.DateOnly); p.Day != today {
		p.Day, p.Count = today, 0
	}
	var due []*store.Notice
	first := len(notices)
	named := make(map[string]bool)
	for i := range notices {
		if n := &notices[i]; p.due(n, now) && !named[attacker(n)] {
			named[attacker(n)] = true
			due = append(due, n)
			first = min(first, i)
		}
	}
	if len(due) == 0 {
		return len(notices), nil
	}
	room := p.PerDay - p.Count
	if room <= 0 {
		return first, &laterError{fmt.Errorf("the %d reports of notify.abuseipdb.per_day were made today", p.PerDay), now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour), true}
	}
	if most := min(len(due), room, cmp.Or(p.bulkMax, bulkMost)); most >= bulkFrom && !now.Before(p.noBulk) {
		return p.bulk(ctx, notices, due[:most], now)
	}
	if err := p.report(ctx, due[0]); err != nil {
		return first, err
	}
	if p.bulkMax > 0 {
		p.bulkMax++
	}
	p.Count++
	p.Last[attacker(due[0])] = now
	return first + 1, nil
}

// mostInRow is how many reports are given up one after another before it is not they that are refused, but everything.
const mostInRow = 10

// asSuch tells whether a call is refused for what it says: it would be again.
func asSuch(err error) bool {
	var refused *refusedError
	return errors.As(err, &refused) && slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, refused.status)
}

// report reports one address. One that AbuseIPDB refuses as such is given up.
func (p *reporter) report(ctx context.Context, n *store.Notice) error {
	form := url.Values{"ip": {attacker(n)}, "categories": {categories(n)}, "comment": {comment(n)}, "timestamp": {n.Seen.UTC().Format(time.RFC3339)}}
	err := p.call(ctx, http.MethodPost, "/report", "application/x-www-form-urlencoded", []byte(form.Encode()))
	if asSuch(err) && p.inRow < mostInRow {
		p.inRow++
		p.giveUp(n, err)
		return nil
	}
	if err == nil {
		p.inRow = 0
	}
	return err
}

// bulk reports many in one call; where the account has no more of these today, they go one by one.
func (p *reporter) bulk(ctx context.Context, notices []store.Notice, due []*store.Notice, now time.Time) (done int, err error) {
	var content bytes.Buffer
	form := multipart.NewWriter(&content)
	part, err := form.CreateFormFile("csv", "report.csv")
	if err != nil {
		return 0, err
	}
	w := csv.NewWriter(part)
	rows := [][]string{{"IP", "Categories", "ReportDate", "Comment"}}
	for _, n := range due {
		rows = append(rows, []string{attacker(n), categories(n), n.Seen.UTC().Format(time.RFC3339), comment(n)})
	}
	if err := errors.Join(w.WriteAll(rows), form.Close()); err != nil {
		return 0, err
	}
	err = p.call(ctx, http.MethodPost, "/bulk-report", form.FormDataContentType(), content.Bytes())
	var refused *refusedError
	if errors.As(err, &refused) && refused.status == http.StatusTooManyRequests {
		p.noBulk = now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		return 0, errors.New(refused.Error()) // soon again, one by one, whatever it says of when
	}
	if asSuch(err) { // for one of them, or as they are too many: half of them, and few enough one by one
		p.bulkMax = len(due) / 2
	}
	if err != nil {
		return 0, err
	}
	p.bulkMax = min(p.bulkMax*2, bulkMost)
	p.Count += len(due)
	reported := make(map[string]bool)
	for _, n := range due {
		p.Last[attacker(n)], reported[attacker(n)] = now, true
	}
	for done < len(notices) && (reported[attacker(&notices[done])] || !p.due(&notices[done], now)) {
		done++
	}
	return done, nil
}

// refusedError is an answer of AbuseIPDB that is no success.
type refusedError struct {
	error
	status int
}

func (e *refusedError) Unwrap() error { return e.error }

func (p *reporter) call(ctx context.Context, method, path, typ string, content []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	req.Header.Set("Key", p.APIKey.Reveal())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "activedefense/"+p.version)
	if typ != "" {
		req.Header.Set("Content-Type", typ)
	}
	resp, answer, err := do(p.client, req)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 == 2 {
		return nil
	}
	var said struct{ Errors []struct{ Detail string } }
	if json.Unmarshal(answer, &said) == nil && len(said.Errors) > 0 {
		answer = []byte(said.Errors[0].Detail)
	}
	err = refusal(resp, answer)
	if seconds, e := strconv.Atoi(resp.Header.Get("Retry-After")); e == nil && seconds > 0 {
		err = &laterError{err, p.now().Add(min(time.Duration(seconds)*time.Second, mostAsleep)), false}
	}
	return &refusedError{err, resp.StatusCode}
}

// check asks about an address of our own host, which reports nothing.
func (p *reporter) check(ctx context.Context, _ store.Notice) error {
	return p.call(ctx, http.MethodGet, "/check?ipAddress=127.0.0.1", "", nil)
}

// threatID is the number of a threat in a text that ends in it in brackets, or is it.
var threatID = regexp.MustCompile(`(?:^|\()([0-9]+)\)?$`)

// categories are those of AbuseIPDB for what was done: 14 port scan, 15 hacking, 18 brute force, 22 SSH, 5 FTP.
func categories(n *store.Notice) string {
	switch n.Rule {
	case "port-scan", "host-sweep", "probe":
		return "14"
	case "login":
		return "18"
	case "vulnerability":
		switch threatOf(n) {
		case "40015":
			return "18,22"
		case "40001":
			return "5,18"
		case "40005", "40007":
			return "18"
		}
	}
	return "15"
}

func threatOf(n *store.Notice) string {
	if m := threatID.FindStringSubmatch(strings.TrimSpace(n.Target)); m != nil {
		return m[1]
	}
	return ""
}

// comment says what was done in words of our own: reasons and log lines hold addresses of ours and names of users.
func comment(n *store.Notice) string {
	records := fmt.Sprintf("%d log records", n.Hits)
	if n.Hits == 1 {
		records = "one log record"
	}
	switch n.Rule {
	case "port-scan":
		return "Port scan of one address: " + records
	case "host-sweep":
		return "Scan of many addresses on one port: " + records
	case "probe":
		return "Slow scan of addresses and ports: " + records
	case "login":
		return "Brute force of logins: " + records
	case "vulnerability":
		if id := threatOf(n); id != "" {
			return "Attack recognised by an intrusion prevention system (threat " + id + "): " + records
		}
		return "Attack recognised by an intrusion prevention system: " + records
	}
	return "Attack seen in logs: " + records
}
