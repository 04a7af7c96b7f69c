package block

import (
	"slices"

	"github.com/parquet-go/parquet-go"
)

// unit is what a search reads at once: a group of a file, or a block. Its pages are in Columns, one at a time.
type unit interface {
	pageCount() int
	// turn goes to a page and gives how many records it has.
	turn(page int) int
	// begins gives the number of the first record of a page, place where a record of a number stands.
	begins(page int) int
	place(row int) (page, i int)
	// load has a column of the page in columns.
	load(column int) error
	// different gives the texts of a column that there are in any page, and possibly more.
	different(text int) ([]string, error)
	columns() *Columns
	// sorted tells whether the records of the page stand in the order of their times and ids, which were loaded, and pages do.
	sorted() bool
	close()
}

// selection finds in a unit the records that a plan wants.
type selection struct {
	unit
	*plan
	before  key // and before this one
	timed   bool
	wanted  [][numTexts][]bool // by term and text, where not all are; nil: is not to be looked at
	skipped []bool             // terms that every record meets
	rows    []int32            // of a page
}

// begin says whether there may be any. oldest and newest are the times that the unit has.
func (s *selection) begin(oldest, newest int64) (bool, error) {
	if newest < s.since || oldest >= s.until || oldest > s.before.time {
		return false, nil
	}
	if g, is := s.unit.(*groupReader); is {
		if may, err := g.mayHave(s.plan); err != nil || !may {
			return false, err
		}
	}
	s.timed = oldest < s.since || newest >= s.until || newest >= s.before.time
	s.wanted = make([][numTexts][]bool, len(s.texts))
	s.skipped = make([]bool, len(s.texts))
	for i := range s.texts {
		t := &s.texts[i]
		allNone := true
		for _, text := range t.texts {
			different, err := s.different(text)
			if err != nil {
				return false, err
			}
			wanted, all, none := t.matches(different)
			s.skipped[i] = s.skipped[i] || all
			allNone = allNone && none
			s.wanted[i][text] = wanted
		}
		if allNone {
			return false, nil
		}
	}
	return true, nil
}

// all tells whether every record of the unit is wanted.
func (s *selection) all() bool {
	return !s.timed && len(s.addresses)+len(s.ports) == 0 && s.files == nil && !slices.Contains(s.skipped, false)
}

// newest gives the newest records that are wanted, newest first, at most so many, and whether there may be more.
func (s *selection) newest(most int) (refs []ref, more bool, err error) {
	sorted := false
	for page := s.pageCount() - 1; page >= 0; page-- {
		rows, err := s.page(page)
		if err != nil {
			return nil, false, err
		}
		if len(rows) == 0 {
			continue
		}
		for _, column := range [...]int{colTime, colID} {
			if err := s.load(column); err != nil {
				return nil, false, err
			}
		}
		sorted = s.sorted()
		c, first := s.columns(), s.begins(page)
		for _, i := range slices.Backward(rows) {
			if sorted && len(refs) == most {
				return refs, true, nil
			}
			refs = append(refs, ref{key: key{c.time[i], c.id[i]}, row: int32(first) + i})
		}
	}
	if !sorted {
		slices.SortFunc(refs, func(a, b ref) int { return b.compare(a.key) })
		if len(refs) > most {
			return refs[:most], true, nil
		}
	}
	return refs, false, nil
}

// count tells how many records are wanted.
func (s *selection) count() (n int64, err error) {
	for page := range s.pageCount() {
		if s.all() {
			n += int64(s.turn(page))
			continue
		}
		rows, err := s.page(page)
		if err != nil {
			return 0, err
		}
		n += int64(len(rows))
	}
	return n, nil
}

// page gives the rows of a page that are wanted, ascending, valid until the next call.
func (s *selection) page(page int) ([]int32, error) {
	n := s.turn(page)
	s.rows = s.rows[:0]
	for i := range int32(n) {
		s.rows = append(s.rows, i)
	}
	c := s.columns()
	for _, step := range [...]func(*Columns) error{s.byTime, s.byAddress, s.byPort, s.byText, s.byFile} {
		if err := step(c); err != nil || len(s.rows) == 0 {
			return nil, err
		}
	}
	return s.rows, nil
}

// keep leaves the rows that are wanted.
func (s *selection) keep(wanted func(i int32) bool) {
	kept := s.rows[:0]
	for _, i := range s.rows {
		if wanted(i) {
			kept = append(kept, i)
		}
	}
	s.rows = kept
}

func (s *selection) byTime(c *Columns) error {
	if !s.timed {
		return nil
	}
	if err := s.load(colTime); err != nil {
		return err
	}
	ends := false
	s.keep(func(i int32) bool {
		t := c.time[i]
		ends = ends || t == s.before.time
		return s.since <= t && t < s.until && t <= s.before.time
	})
	if !ends || len(s.rows) == 0 {
		return nil
	}
	if err := s.load(colID); err != nil {
		return err
	}
	s.keep(func(i int32) bool { return key{c.time[i], c.id[i]}.compare(s.before) < 0 })
	return nil
}

func (s *selection) byAddress(c *Columns) error {
	for k := range s.addresses {
		t := &s.addresses[k]
		if err := s.load(t.column); err != nil {
			return err
		}
		a := &c.src
		if t.column == colDst {
			a = &c.dst
		}
		if len(t.v4) == 1 && len(t.v6) == 0 {
			one := t.v4[0]
			s.keep(func(i int32) bool { return a.v4[i]-one.first <= one.last-one.first && a.family[i] == 4 })
			continue
		}
		s.keep(func(i int32) bool { return t.has(a, i) })
	}
	return nil
}

func (s *selection) byPort(c *Columns) error {
	for k := range s.ports {
		t := &s.ports[k]
		if err := s.load(t.column); err != nil {
			return err
		}
		ports := c.ports[t.column-colSrcPort]
		s.keep(func(i int32) bool { return t.wanted[ports[i]/64]&(1<<(ports[i]%64)) != 0 })
	}
	return nil
}

func (s *selection) byText(c *Columns) error {
	for k := range s.texts {
		if s.skipped[k] {
			continue
		}
		texts := s.texts[k].texts
		for _, text := range texts {
			if err := s.load(firstText + text); err != nil {
				return err
			}
		}
		codes, wanted := c.texts[texts[0]].codes, s.wanted[k][texts[0]]
		if len(texts) == 1 {
			s.keep(func(i int32) bool { return wanted[codes[i]] })
			continue
		}
		other, too := c.texts[texts[1]].codes, s.wanted[k][texts[1]]
		s.keep(func(i int32) bool { return wanted[codes[i]] || too[other[i]] })
	}
	return nil
}

func (s *selection) byFile(c *Columns) error {
	if s.files == nil {
		return nil
	}
	for _, column := range [...]int{colAgent, colFile} {
		if err := s.load(column); err != nil {
			return err
		}
	}
	s.keep(func(i int32) bool {
		_, is := s.files[FileKey{c.agent[i], c.file[i]}]
		return is
	})
	return nil
}

// mayHave asks a group's bloom filters for the addresses that are wanted.
func (g *groupReader) mayHave(p *plan) (bool, error) {
	for i := range p.addresses {
		t := &p.addresses[i]
		filter := g.chunks[t.column].BloomFilter()
		if len(t.singles) == 0 || filter == nil || len(t.v6) > 0 {
			continue
		}
		any := false
		for _, s := range t.v4 {
			is, err := filter.Check(parquet.Int32Value(int32(s.first)))
			if err != nil {
				return false, err
			}
			any = any || is
		}
		if !any {
			return false, nil
		}
	}
	return true, nil
}
