package panosim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// showJobs answers "show jobs all", "... pending", "... processed" and "... id N". The newest comes first.
func (s *Sim) showJobs(c *call, what *xmltree.Element) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	if len(what.Children) != 1 {
		return answer.Unexpected(c.command)
	}
	var wanted func(*job) bool
	switch kind := what.Children[0]; kind.Name {
	case "all":
		wanted = func(*job) bool { return true }
	case "pending":
		wanted = func(j *job) bool { return j.ended.IsZero() }
	case "processed":
		wanted = func(j *job) bool { return !j.ended.IsZero() }
	case "id":
		return s.showJobLocked(kind.Text)
	default:
		return answer.Unexpected(c.command)
	}
	var b strings.Builder
	for i := len(s.jobs.list) - 1; i >= 0; i-- {
		if j := s.jobs.list[i]; wanted(j) {
			s.writeJobLocked(&b, j)
		}
	}
	return answer.Success("<result>" + b.String() + "</result>")
}

// showJobLocked answers "show jobs id". A job that a restart lost has no number any more.
func (s *Sim) showJobLocked(text string) answer.Answer {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return answer.Failure(17, "show -> jobs -> id '"+text+"' is not a valid integer")
	}
	for _, j := range s.jobs.list {
		if j.id == int(id) && !j.lost {
			var b strings.Builder
			s.writeJobLocked(&b, j)
			return answer.Success("<result>" + b.String() + "</result>")
		}
	}
	if s.dialect.UnknownJob == dialect.UnknownJobQuery {
		return answer.Failure(0, fmt.Sprintf("No such query job %d", id))
	}
	return answer.Failure(7, fmt.Sprintf("job %d not found", id))
}

// writeJobLocked appends a job with the elements and the order of recorded answers.
func (s *Sim) writeJobLocked(b *strings.Builder, j *job) {
	if j.lost {
		b.WriteString("<job><type>Failed-Job</type>")
		s.writeLines(b, "details", j.details)
		b.WriteString("</job>")
		return
	}
	status, result := j.state()
	dequeued, finished, queued, stoppable := "", "Still Active", "NO", "yes"
	if j.started.IsZero() {
		queued = "YES"
	} else {
		dequeued = j.started.Format(time.TimeOnly)
	}
	if !j.ended.IsZero() {
		finished, stoppable = s.finished(j.ended), "no"
	}
	fmt.Fprintf(b, `<job><tenq>%s</tenq><tdeq>%s</tdeq><id>%d</id><user>%s</user><type>%s</type><status>%s</status>`+
		`<queued>%s</queued><stoppable>%s</stoppable><result>%s</result><tfin>%s</tfin><description>%s</description>`+
		`<positionInQ>%d</positionInQ><progress>%d</progress>`,
		j.queued.Format(dialect.LocalTime), dequeued, j.id, answer.Escape(j.user), j.kind, status, queued, stoppable, result, finished,
		answer.Escape(j.description), s.positionLocked(j), s.progress(j))
	s.writeLines(b, "details", j.details)
	s.writeLines(b, "warnings", j.warnings)
	b.WriteString("</job>")
}

// finished writes when a job ended: samples of PAN-OS 10 have the time alone, those of 11 the date, too.
func (s *Sim) finished(at time.Time) string {
	if s.version.AtLeast(11, 0) {
		return at.Format(dialect.LocalTime)
	}
	return at.Format(time.TimeOnly)
}

// writeLines appends the lines of a job; an empty list is an empty element.
func (s *Sim) writeLines(b *strings.Builder, name string, lines []string) {
	b.WriteString("<" + name + ">")
	for _, line := range lines {
		line = answer.Escape(line)
		if name == "details" && s.dialect.Details == dialect.DetailsNested {
			line = "<newjob><newmsg>" + line + "</newmsg></newjob>"
		}
		b.WriteString("<line>" + line + "</line>")
	}
	b.WriteString("</" + name + ">")
}

// positionLocked is the place in the queue: 0 of a job that runs or has ended.
func (s *Sim) positionLocked(j *job) int {
	if !j.started.IsZero() || !j.ended.IsZero() {
		return 0
	}
	n := 0
	for _, other := range s.jobs.list {
		if other.finish != nil && other.ended.IsZero() && other.id < j.id {
			n++
		}
	}
	return n
}

// progress is a percentage; it reaches 100 when the job ends.
func (s *Sim) progress(j *job) int {
	switch {
	case !j.ended.IsZero():
		return 100
	case j.started.IsZero() || j.takes <= 0:
		return 0
	}
	return int(min(99, 100*s.opts.Now().Sub(j.started)/j.takes))
}
