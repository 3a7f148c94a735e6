//! `[batches]`: how much is taken of files that callers have verified in the background.

use crate::config::raw;

/// `[batches]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSettings {
    /// Batches of one caller that are not forgotten.
    pub of_caller: u32,
    /// Files of a batch.
    pub files: u32,
    /// MiB of a batch.
    pub mebibytes: u32,
    /// MiB of all batches.
    pub all_mebibytes: u32,
}

impl BatchSettings {
    /// The keys with their defaults.
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn checked(raw: &raw::Batches) -> Result<Self, (&'static str, String)> {
        let bounded = |key, value: Option<u64>, usual: u32, most: u32| match value.map(u32::try_from) {
            None => Ok(usual),
            Some(Ok(value)) if (1..=most).contains(&value) => Ok(value),
            Some(_) => Err((key, format!("1 to {most}"))),
        };
        let mebibytes = bounded("batches.mebibytes", raw.mebibytes, 1024, 1 << 20)?;
        // A batch that nobody could fill would be told of too late.
        let all_mebibytes = bounded("batches.all_mebibytes", raw.all_mebibytes, 16_384.max(mebibytes), 1 << 24)?;
        if all_mebibytes < mebibytes {
            return Err(("batches.all_mebibytes", "at least batches.mebibytes".to_owned()));
        }
        Ok(Self {
            of_caller: bounded("batches.of_caller", raw.of_caller, 32, 10_000)?,
            files: bounded("batches.files", raw.files, 1000, 100_000)?,
            mebibytes,
            all_mebibytes,
        })
    }

    pub(super) fn effective(&self) -> raw::Batches {
        raw::Batches {
            of_caller: Some(self.of_caller.into()),
            files: Some(self.files.into()),
            mebibytes: Some(self.mebibytes.into()),
            all_mebibytes: Some(self.all_mebibytes.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_limits_are_those_of_before() {
        let usual = BatchSettings::checked(&raw::Batches::default()).unwrap();
        let expected = BatchSettings { of_caller: 32, files: 1000, mebibytes: 1024, all_mebibytes: 16_384 };
        assert_eq!(usual, expected);
        assert_eq!(BatchSettings::checked(&usual.effective()), Ok(usual));
    }

    #[test]
    fn limits_have_bounds() {
        let with = |change: fn(&mut raw::Batches)| {
            let mut raw = raw::Batches::default();
            change(&mut raw);
            BatchSettings::checked(&raw)
        };
        let refused = |key, allowed: &str| Err((key, allowed.to_owned()));
        assert_eq!(with(|raw| raw.of_caller = Some(0)), refused("batches.of_caller", "1 to 10000"));
        assert_eq!(with(|raw| raw.files = Some(100_001)), refused("batches.files", "1 to 100000"));
        assert_eq!(with(|raw| raw.mebibytes = Some(u64::MAX)), refused("batches.mebibytes", "1 to 1048576"));
        assert_eq!(
            with(|raw| raw.all_mebibytes = Some(1023)),
            refused("batches.all_mebibytes", "at least batches.mebibytes")
        );
        assert_eq!(with(|raw| raw.mebibytes = Some(20_000)).map(|found| found.all_mebibytes), Ok(20_000));
    }
}
