package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

// A dataset is a firewall's log of refused packets, key=value as in the default format of the README's rsyslog example: always the same lines
// but for their times, which end when it was asked for.
type dataset struct {
	lines int
	end   time.Time
}

const (
	perSecond  = 2000       // lines of one second of event time
	regulars   = 200_000    // sources that come back, to one or two services each
	strangers  = 40_000_000 // sources of which hardly one is seen twice
	rare       = 20         // lines that are unlike all others in five fields
	leastLines = 100 * rare // so that a tenth of them has as many
)

const lineage = "half of the lines from 200,000 sources that come back, half from 40 million of which hardly one does; each to one or two of 1,750 services\n" +
	"(250 addresses, 7 ports), one in 20 to a port at random; source ports at random; 4 rules; 2,000 lines a second of event time, all refused.\n" +
	"An ideal code takes %.1f bytes for each"

// entropy is how many bits one line has that nothing foretells.
func entropy() float64 {
	const source = 1 + (17.61+25.25)/2                               // which crowd, and who
	const service = 1                                                // which of two
	const atRandom = 0.286 + 15.99/20.0                              // whether a port at random, and which
	return source + service + atRandom + 15.87 /* source port */ + 2 /* rule */
}

// describe says what the lines are.
func (d dataset) describe() string {
	return fmt.Sprintf("%d lines of some %d bytes: "+lineage, d.lines, len(d.append(nil, 0, d.begin(), newRandom())), entropy()/8)
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(14, 1)) }

func (d dataset) begin() time.Time {
	return d.end.Add(-time.Duration(d.lines/perSecond) * time.Second).Truncate(time.Second)
}

// write makes the file.
func (d dataset) write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out, random, begin, line := bufio.NewWriterSize(f, 1<<20), newRandom(), d.begin(), []byte(nil)
	for i := range d.lines {
		line = d.append(line[:0], i, begin.Add(time.Duration(i/perSecond)*time.Second), random)
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}

var (
	ports = [...]uint64{22, 23, 80, 443, 445, 3389, 8080}
	rules = [...]string{"internet sensor", "dmz in", "mail in", "Active Defense sensor"}
)

// The line that is unlike all others.
const (
	rareUser, rareCountry, rareRule = "needle", "Atlantis", "Guest quarantine"
	rareTarget, rarePort            = 251, 1023 // others are below, and have others
)

// append adds line i, of a time, to buf.
func (d dataset) append(buf []byte, i int, at time.Time, random *rand.Rand) []byte {
	n := random.Uint64N(strangers)
	if i%2 == 0 {
		n = random.Uint64N(regulars)
	}
	service := n + random.Uint64N(2)
	target, port, rule := 1+service%250, ports[service%uint64(len(ports))], rules[random.IntN(len(rules))]
	if random.IntN(20) == 0 {
		port = 1024 + random.Uint64N(64_000)
	}
	user, country := "", countryOf(n)
	if every := d.lines / rare; i%every == every/2 {
		user, country, rule, target, port = rareUser, rareCountry, rareRule, rareTarget, rarePort
	}
	buf = at.AppendFormat(buf, time.RFC3339)
	buf = append(append(append(buf, " LAB-FW-01 SrcLocation="...), country...), "; SrcIP="...)
	buf = appendSource(buf, n)
	buf = strconv.AppendUint(append(buf, "; SrcPort="...), 1024+random.Uint64N(60_000), 10)
	buf = append(append(buf, "; SrcUser="...), user...)
	buf = strconv.AppendUint(append(buf, "; DstLocation=Australia; DstIP=198.51.100."...), target, 10)
	buf = strconv.AppendUint(append(buf, "; DstPort="...), port, 10)
	buf = append(append(buf, "; Action=drop; RuleName="...), rule...)
	buf = at.AppendFormat(append(buf, "; RuleID=6f3c2a91-8b7e-4f64-9d3a-1f2e3d4c5b6a; TimeReceived="...), "2006/01/02 15:04:05")
	return append(buf, "; ThreatName=; ThreatID=; Severity=; Subtype=drop; Type=TRAFFIC;\n"...)
}

// appendSource writes the address of source n, from 20.0.0.1 to 99.49.199.50.
func appendSource(buf []byte, n uint64) []byte {
	for i, part := range [...]uint64{20 + n%80, n / 80 % 50, n / 4000 % 200, 1 + n/800_000} {
		if i > 0 {
			buf = append(buf, '.')
		}
		buf = strconv.AppendUint(buf, part, 10)
	}
	return buf
}

var countries = [...]string{"United States", "China", "Germany", "Brazil", "Netherlands", "India", "France", "Viet Nam"}

// countryOf is that of source n, as its network's.
func countryOf(n uint64) string { return countries[n%80%uint64(len(countries))] }
