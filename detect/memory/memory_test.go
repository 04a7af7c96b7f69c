package memory

import (
	"bytes"
	"cmp"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/detect/arena"
)

const (
	second = int64(time.Second)
	minute = int64(time.Minute)
	hours  = int64(time.Hour)
	start  = 490_000 * hours // 2025
)

var roomy = Limits{Sessions: Parts * 4096, Partners: Parts * 4096, Probes: Parts * 4096}

func address(s string) [16]byte { return netip.MustParseAddr(s).As16() }

// step is one thing that a memory may be told or asked.
type step struct {
	session Session
	target  Target
	hint    uint32
	op      int // 0 open, 1 late, 2 refuse, 3 answer, 4 forget, 5 partner, 6 consume, 7 spend, 8 forget before
}

// peers are few and of both families, so that the same ones meet again.
var peers = [][16]byte{address("203.0.113.1"), address("203.0.113.2"), address("203.0.113.77"), address("2001:db8:1::5"), address("2001:db8:2::9")}

// crowd are more addresses of one part than it has room for where limits are tight.
var crowd = func() (list [][16]byte) {
	for i := 0; len(list) < 200; i++ {
		a := address("192.0.2.0")
		a[13], a[14], a[15] = byte(i>>16), byte(i>>8), byte(i)
		if PartOf(&a) == PartOf(&peers[0]) {
			list = append(list, a)
		}
	}
	return list
}()

// draw throws dice by a drawn seed: rapid's own prefer small numbers.
func draw(t *rapid.T, ops []int, steps int, pace int64) []step {
	return drawOf(t, peers, ops, steps, pace)
}

func drawOf(t *rapid.T, peers [][16]byte, ops []int, steps int, pace int64) []step {
	dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	now := start
	list := make([]step, steps)
	for i := range list {
		now += dice.Int64N(pace)
		peer := peers[dice.IntN(len(peers))]
		ours := [16]byte{15: byte(dice.IntN(3)), 10: 0xff, 11: 0xff, 12: 198}
		list[i] = step{
			op: ops[dice.IntN(len(ops))],
			session: Session{Key: peer, Peer: peer, PeerPort: uint16(53 + dice.IntN(2)), Ours: ours, OursPort: uint16(1020 + dice.IntN(12)),
				Untranslated: dice.IntN(2) == 0, Served: dice.IntN(2) == 0, Device: 7, Time: now},
			target: Target{Key: peer, Dst: ours, Port: uint16(dice.IntN(30)), Device: 7, Time: now, Ref: uint64(i), Proven: dice.IntN(3) == 0},
		}
	}
	return list
}

// tell tells a memory one step and gives what it answers.
func tell(m *Memory, s *step) any {
	switch s.op {
	case 0:
		m.Open(&s.session)
	case 1:
		return m.Late(&s.session)
	case 2:
		m.Refuse(&s.target, &s.hint)
	case 3:
		m.Answer(&s.target)
	case 4:
		a := netip.AddrFrom16(s.target.Key).Unmap()
		bits := a.BitLen() - int(s.target.Ref%2)*8
		p, _ := a.Prefix(bits)
		m.Forget(p)
	case 5:
		return m.Partner(&s.target.Key, s.target.Time-5*minute, s.target.Time)
	}
	switch s.op {
	case 8:
		ForgetBefore(m, &s.target.Key, s.target.Time-5*minute)
	case 6:
		m.Consume(&s.target.Key, s.target.Proven)
	case 7:
		m.Spend(&s.target.Key, uint8(s.target.Ref%3), s.target.Proven, s.target.Time)
	}
	if s.op == 2 || s.op == 3 {
		probed := m.Probe(&s.target.Key, s.target.Time)
		list := m.Refused(&s.target.Key, s.target.Time)
		slices.SortFunc(list, func(a, b Refusal) int { return cmp.Or(a.Dst.Compare(b.Dst), cmp.Compare(a.Port, b.Port)) })
		return []any{probed, list}
	}
	return nil
}

// socket is an end on our side.
type socket struct {
	ours [16]byte
	port uint16
}

// oracle is what is known of an address and port outside to which ours had sessions whose translation is not told: from where they
// were, and what was refused, each in the order in which they were there last.
type oracle struct{ opened, refused []seen }

type seen struct {
	at   socket
	when int64
}

// put makes one the latest.
func put(list []seen, s seen) []seen {
	list = slices.DeleteFunc(list, func(x seen) bool { return x.at == s.at })
	return append(list, s)
}

// expire forgets what is ten minutes old, and with each session the refusal that was there first.
func (u *oracle) expire(now int64) {
	old := func(list []seen) bool { return len(list) > 0 && now-list[0].when >= 10*minute }
	for {
		switch {
		case old(u.opened) && (!old(u.refused) || u.opened[0].when <= u.refused[0].when):
			u.opened = u.opened[1:]
			u.refused = u.refused[min(1, len(u.refused)):]
		case old(u.refused):
			u.refused = u.refused[1:]
		default:
			return
		}
	}
}

func TestLateAnswersAreThoseOfTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(roomy, 24*time.Hour, 30)
		var opened []Session
		ends := map[socket]*oracle{} // outside
		for i, s := range draw(t, []int{0, 0, 1, 1}, 300, 2*minute) {
			x := &s.session
			u := ends[socket{x.Peer, x.PeerPort}]
			if u == nil {
				u = &oracle{}
				ends[socket{x.Peer, x.PeerPort}] = u
			}
			at := seen{socket{x.Ours, x.OursPort}, x.Time}
			if s.op == 0 {
				m.Open(x)
				opened = append(opened, *x)
				if x.Untranslated {
					u.expire(x.Time)
					u.opened = put(u.opened, at)
				}
				continue
			}
			want := slices.ContainsFunc(opened, func(o Session) bool {
				return o.Peer == x.Peer && o.PeerPort == x.PeerPort && o.Ours == x.Ours && o.OursPort == x.OursPort && x.Time-o.Time < 10*minute
			})
			if !want && x.OursPort >= 1024 {
				if u.expire(x.Time); len(u.opened) > 0 {
					u.refused = put(u.refused, at)
					want = len(u.refused) <= len(u.opened)
				}
			}
			if got := m.Late(x); got != want {
				t.Fatalf("step %d: late %v, by the definition %v", i, got, want)
			}
		}
	})
}

// A resolver that answers late goes on being asked: the answers to the queries of before are not held against those of now.
func TestAnswersAreNotHeldAgainstTheNextOnes(t *testing.T) {
	m := New(roomy, 24*time.Hour, 30)
	peer, ours := address("203.0.113.1"), address("10.0.0.53")
	for i := range int64(500) {
		s := Session{Key: peer, Peer: peer, PeerPort: 53, Ours: ours, OursPort: uint16(2000 + i), Untranslated: true, Time: start + i*minute/2}
		m.Open(&s)
		s.Ours, s.OursPort, s.Time = address("198.51.100.1"), uint16(20000+i), s.Time+40*second
		if i%3 > 0 && !m.Late(&s) {
			t.Fatalf("answer %d is none", i)
		}
	}
	n := 0
	for i := range uint16(100) { // all of a sudden it scans: it is believed to answer what was not answered yet
		s := Session{Key: peer, Peer: peer, PeerPort: 53, Ours: address("198.51.100.1"), OursPort: 40000 + i, Time: start + 500*minute/2}
		if m.Late(&s) {
			n++
		}
	}
	if n == 0 || n > 20 {
		t.Errorf("%d ports of a scan are taken for answers to 20 sessions", n)
	}
}

func TestPartnersAreThoseOfTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(roomy, 24*time.Hour, 30)
		served := map[Key][]int64{}
		for i, s := range draw(t, []int{0, 0, 5}, 400, 40*minute) {
			at := s.session.Time / second * second
			if s.op == 0 {
				s.session.Time = at
				m.Open(&s.session)
				if s.session.Served {
					served[s.session.Key] = append(served[s.session.Key], at)
				}
				continue
			}
			before := at - 5*minute
			first, in := int64(1<<62), map[int64]bool{}
			for _, when := range served[s.target.Key] {
				if when <= at && at-when < 24*hours {
					first, in[when/hours] = min(first, when), true
				}
			}
			want := len(in) >= 2 && first < before
			if got := m.Partner(&s.target.Key, before, at); got != want {
				t.Fatalf("step %d: partner %v, by the definition %v", i, got, want)
			}
		}
	})
}

func TestProbesAreThoseOfTheDefinition(t *testing.T) {
	type pair struct {
		dst  [16]byte
		port uint16
	}
	rapid.Check(t, func(t *rapid.T) {
		const targets = 8
		window := rapid.SampledFrom([]int64{hours, 24 * hours}).Draw(t, "window")
		m := New(roomy, time.Duration(window), targets)
		refused, proven, answered := map[Key]map[pair]int64{}, map[Key]map[pair]int64{}, map[Key]map[pair]int64{}
		put := func(in map[Key]map[pair]int64, x *Target) {
			if in[x.Key] == nil {
				in[x.Key] = map[pair]int64{}
			}
			in[x.Key][pair{x.Dst, x.Port}] = x.Time
		}
		count := func(in map[pair]int64, at int64) (n int) {
			for _, when := range in {
				if at-when < window {
					n++
				}
			}
			return n
		}
		for i, s := range draw(t, []int{2, 2, 2, 3, 4}, 400, window/20) {
			x := &s.target
			tell(m, &s)
			switch s.op {
			case 2:
				put(refused, x)
				if x.Proven {
					put(proven, x)
				}
			case 3:
				put(answered, x)
			case 4:
				for key := range refused {
					if key == x.Key || x.Ref%2 == 1 && bytes.Equal(key[:15], x.Key[:15]) {
						clear(refused[key])
						clear(proven[key])
						clear(answered[key])
					}
				}
				for key := range answered {
					if key == x.Key || x.Ref%2 == 1 && bytes.Equal(key[:15], x.Key[:15]) {
						clear(answered[key])
					}
				}
			}
			got := m.Probe(&x.Key, x.Time)
			want := Probed{Refused: count(refused[x.Key], x.Time), Proven: count(proven[x.Key], x.Time), Answered: count(answered[x.Key], x.Time)}
			fires := func(p Probed) bool { return p.Refused-p.Answered >= targets }
			if fires(got) != fires(want) || fires(want) && got != want {
				t.Fatalf("step %d: %+v, by the definition %+v", i, got, want)
			}
			if fires(want) && len(m.Refused(&x.Key, x.Time)) != want.Refused {
				t.Fatalf("step %d: %d refusals told of %d", i, len(m.Refused(&x.Key, x.Time)), want.Refused)
			}
		}
	})
}

// A restart at any time, with each part written at another time and the journal since, changes no answer. Small limits have
// things forgotten on both sides.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := roomy
		if rapid.Bool().Draw(t, "tight") {
			limits = Limits{}
		}
		from, n, every := peers, 600, 3
		if rapid.Bool().Draw(t, "crowded") { // there are long runs in which all marks go by
			from, n, every = crowd, 4000, 130
		}
		steps := drawOf(t, from, []int{0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8}, n, rapid.SampledFrom([]int64{second, minute, hours}).Draw(t, "pace"))
		m := New(limits, 24*time.Hour, 5)
		m.Keep()
		whole := New(limits, 24*time.Hour, 5) // goes on without a restart
		parts := map[int][]byte{}             // as written last
		written := map[int]int{}              // after so many journals
		var journals [][]byte
		for i := range steps {
			same := steps[i]
			if got, want := tell(m, &steps[i]), tell(whole, &same); !reflect.DeepEqual(got, want) {
				t.Fatalf("step %d: %v, and without a restart %v", i, got, want)
			}
			if steps[i].op == 5 || i%7 != 6 {
				continue
			}
			journals = append(journals, m.Journal(nil))
			n := PartOf(&from[i%len(from)])
			parts[n], written[n] = m.Part(nil, n), len(journals)
			if i/7%every != every-1 {
				continue
			}
			back := New(limits, 24*time.Hour, 5)
			for n, data := range parts {
				if err := back.Load(n, data, start); err != nil {
					t.Fatal(err)
				}
			}
			for j, journal := range journals {
				if err := back.Apply(journal, func(part int) bool { return j >= written[part] }); err != nil {
					t.Fatal(err)
				}
			}
			if back.Keep(); back.JournalSize() != 0 {
				t.Fatal("what was read back is in the journal again")
			}
			for n := range Parts {
				if a, b := m.Part(nil, n), back.Part(nil, n); !bytes.Equal(a, b) {
					t.Fatalf("step %d: part %d is another one after a restart:\n%x\n%x", i, n, a, b)
				}
			}
			m = back
		}
	})
}

func TestDamageIsNoticed(t *testing.T) {
	m := New(roomy, 24*time.Hour, 5)
	m.Keep()
	for i := range uint64(50) {
		m.Refuse(&Target{Key: peers[0], Dst: address("198.51.100.1"), Port: uint16(i), Time: start, Ref: i}, new(uint32))
		m.Open(&Session{Key: peers[0], Peer: peers[0], PeerPort: 53, Ours: address("198.51.100.1"), OursPort: uint16(2000 + i), Untranslated: true, Served: true, Time: start})
	}
	journal, part := m.Journal(nil), m.Part(nil, PartOf(&peers[0]))
	back := New(roomy, 24*time.Hour, 5)
	for i := range part {
		flipped := bytes.Clone(part)
		flipped[i] ^= 0x10
		if err := New(roomy, 24*time.Hour, 5).Load(PartOf(&peers[0]), flipped, start); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a part with a bit flipped in byte %d: %v", i, err)
		}
	}
	if err := back.Apply(journal[:len(journal)-3], func(int) bool { return true }); !errors.Is(err, ErrDamaged) {
		t.Errorf("a cut journal: %v", err)
	}
	for cut := range len(part) {
		back := New(roomy, 24*time.Hour, 5)
		if err := back.Load(PartOf(&peers[0]), part[:cut], start); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a part cut after %d of %d bytes: %v", cut, len(part), err)
		}
		if back.Sizes() != (Sizes{}) {
			t.Fatalf("a damaged part holds %+v", back.Sizes())
		}
		sessions, partners, probes := back.Missing(&peers[0])
		if sessions != start+10*minute || partners != start+24*hours || probes != start+24*hours {
			t.Fatalf("missing until %d, %d, %d", sessions, partners, probes)
		}
	}
}

func FuzzRead(f *testing.F) {
	m := New(roomy, 24*time.Hour, 5)
	m.Keep()
	m.Refuse(&Target{Key: peers[3], Dst: peers[4], Port: 5, Time: start, Ref: 9}, new(uint32))
	m.Open(&Session{Key: peers[0], Peer: peers[0], PeerPort: 53, Ours: peers[3], OursPort: 2000, Untranslated: true, Served: true, Time: start})
	for _, seed := range [][]byte{m.Journal(nil), m.Part(nil, PartOf(&peers[0]))} {
		f.Add(seed[:len(seed)-4])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = sealed(data, 0)
		m := New(Limits{}, 24*time.Hour, 5)
		if err := m.Apply(data, func(int) bool { return true }); err != nil && !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
		m = New(Limits{}, 24*time.Hour, 5)
		if err := m.Load(3, data, start); err != nil && (!errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOtherVersion) || m.Sizes() != (Sizes{})) {
			t.Error(err)
		}
		m.Part(nil, 3)
	})
}

// Forged sources, however many, take no more than their room, and what excuses somebody is not forgotten in silence.
func TestAFloodOfSourcesKeepsItsBounds(t *testing.T) {
	m := New(Limits{Probes: Parts * 100, Partners: Parts * 100, Sessions: Parts * 100}, 24*time.Hour, 5)
	visitor := peers[0]
	m.Answer(&Target{Key: visitor, Dst: address("198.51.100.1"), Port: 443, Time: start})
	key := address("10.0.0.0")
	for i := range 200_000 {
		key[13], key[14], key[15] = byte(i>>16), byte(i>>8), byte(i)
		m.Refuse(&Target{Key: key, Dst: address("198.51.100.1"), Port: uint16(i), Time: start + int64(i), Ref: uint64(i)}, new(uint32))
	}
	if n := m.Sizes().Probes; n > 64*100 {
		t.Errorf("%d sources are held", n)
	}
	m.Refuse(&Target{Key: visitor, Dst: address("198.51.100.1"), Port: 22, Time: start + minute}, new(uint32))
	for p := range 4 {
		m.Refuse(&Target{Key: visitor, Dst: address("198.51.100.1"), Port: uint16(23 + p), Time: start + minute}, new(uint32))
	}
	if got := m.Probe(&visitor, start+minute); got.Answered != 1 {
		t.Errorf("a flood of strangers had an answer forgotten: %+v", got)
	}
	if _, _, missing := m.Missing(&visitor); missing != 0 {
		t.Errorf("nothing that excuses anybody was forgotten, but something is missing until %d", missing)
	}
	for i := range 200_000 {
		key[13], key[14], key[15] = byte(i>>16), byte(i>>8), byte(i)
		m.Answer(&Target{Key: key, Dst: address("198.51.100.1"), Port: 443, Time: start + minute})
		m.Open(&Session{Key: key, Peer: key, PeerPort: 443, Ours: address("198.51.100.1"), OursPort: 4000, Served: true, Time: start + minute})
	}
	sizes := m.Sizes()
	if sizes.Probes > 64*100 || sizes.Partners > 64*100 || sizes.Sessions > 64*100 {
		t.Errorf("held are %+v", sizes)
	}
	sessions, partners, probes := m.Missing(&visitor)
	if sessions != start+minute+10*minute || partners/second != (start+minute)/second+86400 || probes != start+minute+24*hours {
		t.Errorf("missing until %d, %d, %d", sessions, partners, probes)
	}
}

// However many sessions there are, those for which there is room have their late answers, and what is forgotten is not.
func TestASessionIsFoundAsLongAsThereIsRoom(t *testing.T) {
	for _, untranslated := range []bool{false, true} {
		const room = 100
		m, told := New(Limits{Sessions: Parts * room}, Day, 30), map[int][]Session{}
		for i := range 50_000 {
			s := Session{Peer: address("203.0.0.0"), PeerPort: 53, Ours: address("198.51.100.1"), OursPort: uint16(1024 + i), Untranslated: untranslated, Time: start + int64(i)}
			s.Peer[13], s.Peer[14], s.Peer[15] = byte(i>>16), byte(i>>8), byte(i)
			s.Key = s.Peer
			m.Open(&s)
			told[PartOf(&s.Key)] = append(told[PartOf(&s.Key)], s)
			if i%1000 != 999 {
				continue
			}
			for _, list := range told {
				for k, s := range list {
					if there := k >= len(list)-room; m.Late(&s) != there {
						t.Fatalf("after %d sessions, %d of %d: late is %v", i+1, k, len(list), !there)
					}
				}
			}
		}
	}
}

// However many others are served in the meantime, a source that one target refused is known when it comes to the next.
func TestASingleIsKnownWhenItComesAgain(t *testing.T) {
	m := New(Limits{Probes: Parts * 100}, Day, 30)
	target := address("198.51.100.1")
	for i := range 40_000 {
		if i%8000 == 0 {
			src := address("192.0.2.0")
			src[15] = byte(i / 8000)
			m.Refuse(&Target{Key: src, Dst: target, Port: 22, Time: start + int64(i)}, new(uint32))
		}
		visitor := address("203.0.0.0")
		visitor[14], visitor[15] = byte(i>>8), byte(i)
		for port := range uint16(3) {
			m.Answer(&Target{Key: visitor, Dst: target, Port: 443 + port, Time: start + int64(i)})
		}
		for k := range byte(i/8000 + 1) {
			src := address("192.0.2.0")
			src[15] = k
			if n := m.Probe(&src, start+int64(i)).Refused; n != 1 {
				t.Fatalf("after %d visitors, %d targets are known that refused source %d", i, n, k)
			}
		}
	}
}

// A source that more targets answered than are remembered is spared, not blocked.
func TestManyAnswersSpare(t *testing.T) {
	m := New(roomy, 24*time.Hour, 5)
	key := peers[1]
	for i := range 100 {
		m.Answer(&Target{Key: key, Dst: address("198.51.100.1"), Port: uint16(i), Time: start})
	}
	for i := range 90 {
		m.Refuse(&Target{Key: key, Dst: address("198.51.100.2"), Port: uint16(i), Time: start + hours}, new(uint32))
	}
	if got := m.Probe(&key, start+hours); !got.Spared {
		t.Errorf("not spared: %+v", got)
	}
	for i := range 90 {
		m.Refuse(&Target{Key: key, Dst: address("198.51.100.2"), Port: uint16(i), Time: start + 25*hours}, new(uint32))
	}
	if got := m.Probe(&key, start+25*hours); got.Spared || got.Refused < 5 {
		t.Errorf("a day later: %+v", got)
	}
}

// Sources that are no singles any more are read back as well, for they take room: they stand in nobody's way.
func TestTheStruckStandInNobodysWay(t *testing.T) {
	const living = 30
	s := singles{max: 128, window: 24 * hours}
	var zero Key
	for i := 0; s.ring.Len() < s.max; i++ {
		key := address("198.51.100.0")
		key[11], key[12], key[13], key[14] = 0xff, 10, byte(i>>16), byte(i>>8)
		key[15] = byte(i)
		isLast := s.ring.Len() >= living
		if !isLast && (arena.Hash(&key)^arena.Hash(&zero))&127 != 0 {
			continue // the first ones are where a source without an address would be
		}
		s.put(&Target{Key: key, Time: start, Port: 22})
		if isLast {
			s.strike(s.find(&key, arena.Hash(&key)))
		}
	}
	back := singles{max: s.max, window: s.window}
	r := reader{rest: s.write(nil)}
	back.read(&r, false, func(uint32) {})
	if r.err != nil || back.len() != living {
		t.Fatalf("%v, %d of %d read back", r.err, back.len(), living)
	}
	for i := range back.ring.Len() {
		c := s.ring.At(i)
		if got := back.find(&c.key, c.Hash()); (got != nil) != (i < living) {
			t.Errorf("number %d: %+v", i, got)
		}
	}
}
