package block

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Different calls fn for the different texts that a column has in the records that match, by the name that it has in files; records whose type is one of
// without are left out, and so is the empty text. A text may come several times, in any order. What cannot be read is told as by Search.
func Different(ctx context.Context, from Sources, f Filter, column string, without []string, fn func(text string)) error {
	text := slices.Index(textNames[:], column)
	if text < 0 {
		return fmt.Errorf("no column of texts is called %q", column)
	}
	s := newSearch(from, &f, false)
	defer s.close()
	var one sync.Mutex
	err := s.each(ctx, func(ctx context.Context, i int) error {
		return s.look(ctx, i, key{latest, latest}, func(sel *selection) error {
			return sel.eachText(text, without, func(text string) {
				one.Lock()
				defer one.Unlock()
				fn(text)
			})
		})
	}, func(int) (bool, error) { return true, nil })
	if err != nil {
		return err
	}
	return s.unread()
}

// typeText is the number of the types among the texts.
const typeText = 7

// eachText calls fn for those of a column in the records that are wanted, each once.
func (s *selection) eachText(text int, without []string, fn func(string)) error {
	all, err := s.different(text)
	if err != nil {
		return err
	}
	types, err := s.different(typeText)
	if err != nil {
		return err
	}
	seen, left := make([]bool, len(all)), len(all)
	for page := 0; page < s.pageCount() && left > 0; page++ {
		rows, err := s.page(page)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			continue
		}
		for _, column := range [...]int{text, typeText} {
			if err := s.load(firstText + column); err != nil {
				return err
			}
		}
		codes, typed := s.columns().texts[text].codes, s.columns().texts[typeText].codes
		for _, i := range rows {
			if code := codes[i]; !seen[code] && !slices.Contains(without, types[typed[i]]) {
				seen[code] = true
				left--
				if all[code] != "" {
					fn(all[code])
				}
			}
		}
	}
	return nil
}
