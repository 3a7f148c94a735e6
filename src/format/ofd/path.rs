//! Names of parts in a package, and locations (ST_Loc) resolved to them. GB/T 33190-2016, 7.3.

use std::fmt;

use crate::format::ofd::Error;

/// The name of a part: segments joined by `/`, no leading slash, case-sensitive, never outside the package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName(String);

impl PartName {
    /// Resolves a location from the root of the package.
    ///
    /// # Errors
    /// `path-outside`, `path-invalid`.
    pub fn from_root(location: &str) -> Result<Self, Error> {
        Directory::root().part(location)
    }

    /// A name that the container has already judged.
    pub(super) fn from_checked(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The name without a leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with a leading slash, as References and propertyInfo write it.
    #[must_use]
    pub fn absolute(&self) -> String {
        format!("/{}", self.0)
    }

    /// The directory that the part lies in.
    #[must_use]
    pub fn directory(&self) -> Directory {
        let path = self.0.rsplit_once('/').map_or("", |(directory, _)| directory);
        Directory { path: path.to_owned(), origin: self.0.clone() }
    }

    /// Resolves a location written in this part: absolute from the root, else relative to the part's directory.
    ///
    /// # Errors
    /// `path-outside`, `path-invalid`.
    pub fn resolve(&self, location: &str) -> Result<Self, Error> {
        self.directory().part(location)
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A directory of the package; the root is the empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    path: String,
    origin: String,
}

impl Directory {
    /// The root of the package.
    #[must_use]
    pub fn root() -> Self {
        Self { path: String::new(), origin: String::new() }
    }

    /// The path, without slashes at its ends.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// Resolves a location to a part.
    ///
    /// # Errors
    /// `path-outside` when `..` climbs above the root; `path-invalid` for anything that is no path, or names a
    /// directory.
    pub fn part(&self, location: &str) -> Result<PartName, Error> {
        let joined = self.join(location)?;
        let plain = trim(location);
        let last = plain.rsplit('/').next().unwrap_or_default();
        if joined.is_empty() || matches!(last, "" | "." | "..") {
            return Err(self.invalid(location));
        }
        Ok(PartName(joined))
    }

    /// Resolves a location to a directory. An empty location is the directory itself.
    ///
    /// # Errors
    /// `path-outside`, `path-invalid`.
    pub fn directory(&self, location: &str) -> Result<Self, Error> {
        if trim(location).is_empty() {
            return Ok(self.clone());
        }
        Ok(Self { path: self.join(location)?, origin: self.origin.clone() })
    }

    fn join(&self, location: &str) -> Result<String, Error> {
        let plain = trim(location);
        if plain.is_empty() || plain.contains(|c: char| c == '\\' || c.is_control()) {
            return Err(self.invalid(location));
        }
        let (base, rest) = match plain.strip_prefix('/') {
            Some(rest) => ("", rest),
            None => (self.path.as_str(), plain),
        };
        let mut segments: Vec<&str> = base.split('/').filter(|s| !s.is_empty()).collect();
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        for segment in rest.split('/') {
            match segment {
                "" if rest.is_empty() => {}
                "" => return Err(self.invalid(location)),
                "." => {}
                ".." => {
                    if segments.pop().is_none() {
                        return Err(Error::PathOutside { part: self.origin.clone(), location: location.to_owned() });
                    }
                }
                name => segments.push(name),
            }
        }
        Ok(segments.join("/"))
    }

    fn invalid(&self, location: &str) -> Error {
        Error::PathInvalid { part: self.origin.clone(), location: location.to_owned() }
    }
}

/// White space around a location comes from indented XML and is no part of it.
fn trim(location: &str) -> &str {
    location.trim_matches([' ', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(part: &str, location: &str) -> Result<String, &'static str> {
        let part = PartName::from_root(part).unwrap();
        part.resolve(location).map(|p| p.as_str().to_owned()).map_err(|e| e.code())
    }

    #[test]
    fn locations_resolve_against_the_directory_of_the_part() {
        assert_eq!(from("Doc_0/Document.xml", "Pages/P 0/Content.xml").unwrap(), "Doc_0/Pages/P 0/Content.xml");
        assert_eq!(from("Doc_0/Document.xml", "/Doc_1/A&B.xml").unwrap(), "Doc_1/A&B.xml");
        assert_eq!(from("Doc_0/Document.xml", "./x.xml").unwrap(), "Doc_0/x.xml");
        assert_eq!(from("Doc_0/Document.xml", "../Doc_0/./x.xml").unwrap(), "Doc_0/x.xml");
        assert_eq!(from("OFD.xml", " \n Doc_0/Document.xml \t").unwrap(), "Doc_0/Document.xml");
        assert_eq!(PartName::from_root("a/b").unwrap().absolute(), "/a/b");
    }

    #[test]
    fn nothing_leaves_the_package() {
        assert_eq!(from("Doc_0/Document.xml", "../../etc/passwd"), Err("path-outside"));
        assert_eq!(from("OFD.xml", "/../x"), Err("path-outside"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for location in ["", "  ", "a\\b", "a//b", "a/", "/", ".", "a/.", "a\u{0}b"] {
            assert_eq!(from("Doc_0/Document.xml", location), Err("path-invalid"), "{location:?}");
        }
    }

    #[test]
    fn a_resource_directory_may_be_empty_or_end_in_a_slash() {
        let base = PartName::from_root("Doc_0/PublicRes.xml").unwrap().directory();
        assert_eq!(base.directory("").unwrap().as_str(), "Doc_0");
        assert_eq!(base.directory("Res/").unwrap().as_str(), "Doc_0/Res");
        assert_eq!(base.directory("/").unwrap().as_str(), "");
        assert_eq!(base.directory("Res").unwrap().part("../../Doc_0/f.ttf").unwrap().as_str(), "Doc_0/f.ttf");
    }
}
