//! The storage in a redb file.

use super::Failed;
use redb::{Database, ReadableDatabase, TableDefinition};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use tokio::task::spawn_blocking;

pub(super) struct Local(Arc<Database>);

impl Local {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let database = match path {
            Some(path) => {
                create(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?
            }
            None => Database::builder().create_file(tempfile::tempfile()?)?,
        };
        // Opening a table for writing creates it.
        let write = database.begin_write()?;
        write.open_table(TABLE)?;
        write.commit()?;
        Ok(Self(Arc::new(database)))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<String>, Failed> {
        let key = key.to_owned();
        self.run(move |database| {
            let table = database.begin_read()?.open_table(TABLE)?;
            Ok(table.get(&*key)?.map(|value| value.value().to_owned()))
        })
        .await
    }

    pub(super) async fn put(&self, key: &str, value: &str) -> Result<(), Failed> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.run(move |database| {
            let write = database.begin_write()?;
            write.open_table(TABLE)?.insert(&*key, &*value)?;
            Ok(write.commit()?)
        })
        .await
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Failed> {
        let key = key.to_owned();
        self.run(move |database| {
            let write = database.begin_write()?;
            write.open_table(TABLE)?.remove(&*key)?;
            Ok(write.commit()?)
        })
        .await
    }

    /// Runs `work` on a blocking thread, because file operations block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, Failed> {
        let database = Arc::clone(&self.0);
        Ok(spawn_blocking(move || work(&database)).await??)
    }
}

fn create(path: &Path) -> Result<Database, redb::Error> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    Ok(Database::create(path)?)
}

const TABLE: TableDefinition<'_, &str, &str> = TableDefinition::new("keys");
