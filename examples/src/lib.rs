//! Small programs that use Homeroom.
