// Package jobs is a firewall's list of jobs: commits and validations, which wait for one another in a queue, and jobs that
// run beside it, as the refresh of a list.
//
// It does not know what a job does: whoever puts one in brings the function. Jobs outlive a restart or not as the dialect
// says; they are not kept on disk.
package jobs
