//! The stores of this machine: `control.db`, the routing from ids to stores, and their open files.

use crate::base::clock::{Clock, Timestamp};
use crate::base::error::{Fault, Kind, Problem};
use crate::base::id::{Entropy, Id, IdMaker, TenantId, TypedId};
use crate::infra::db::{CONTROL, DbError, Files, FilesConfig, TENANT, TenantFile, Threads};
use crate::infra::vault::{KEY_LEN, SealKey, VaultError, box_key};
use crate::kernel::control_store as store;
use crate::kernel::ledger::{Hub, Ledger};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One store's file.
pub type StoreFile = TenantFile<Ledger>;

/// `control.db` is a file like a store's, under this id.
const CONTROL_ID: TenantId = TenantId::from_array([0; 16]);

/// A store.
#[derive(Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The number that tokens and channel ids carry (D16).
    pub routing: u32,
    /// Short name in addresses.
    pub handle: String,
    /// Name for people.
    pub name: String,
    /// Whether it takes requests.
    pub is_active: bool,
    /// Seals its secret columns.
    pub key: SealKey,
}

/// Why a store cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// The handle is taken.
    #[error("There is already a store named `{0}`.")]
    Taken(String),
    /// The handle cannot be part of an address.
    #[error("`{0}` is not a store name: use 1 to 63 of a-z, 0-9 and -, beginning with a letter.")]
    Handle(String),
    /// The file.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The keys.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Problem for TenantError {
    fn kind(&self) -> Kind {
        match self {
            Self::Taken(_) => Kind::Conflict,
            Self::Handle(_) => Kind::Refused,
            Self::Db(error) => error.kind(),
            Self::Vault(_) => Kind::Broken,
        }
    }
    fn code(&self) -> &'static str {
        match self {
            Self::Taken(_) => "tenant_exists",
            Self::Handle(_) => "invalid_tenant_handle",
            Self::Db(error) => error.code(),
            Self::Vault(_) => "internal_error",
        }
    }
}

/// All stores.
pub struct Tenants {
    files: Arc<Files<Ledger>>,
    control: Arc<StoreFile>,
    known: ArcSwap<Known>,
    /// Held while `known` is read anew, so that an older reading never replaces a newer one.
    reloading: Mutex<()>,
    box_key: SealKey,
    entropy: Arc<dyn Entropy>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<TenantId, Arc<Tenant>>,
    by_routing: HashMap<u32, Arc<Tenant>>,
}

/// Where the data lies and how it is opened.
pub struct TenantsConfig {
    /// The data folder.
    pub folder: PathBuf,
    /// Open files at a time.
    pub open_max: usize,
    /// Whether a box key may be made when there is none.
    pub may_create_key: bool,
}

impl Tenants {
    /// Opens `control.db` under the data folder, making both when they do not exist.
    pub fn open(
        config: &TenantsConfig,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
        hub: &Arc<Hub>,
    ) -> Result<Self, TenantError> {
        std::fs::create_dir_all(&config.folder).map_err(DbError::from)?;
        let box_key = box_key(&config.folder.join("box.key"), config.may_create_key, entropy)?;
        let pool = Threads::for_writers(0).map_err(DbError::from)?;
        let files_config =
            FilesConfig { folder: config.folder.join("tenants"), open_max: config.open_max, writer_threads: 0 };
        let for_files = Arc::clone(hub);
        let files = Files::new(files_config, TENANT, pool, Arc::clone(clock), move |tenant| {
            Ledger::new(tenant, Arc::clone(&for_files))
        })?;
        let control = files.adopt(CONTROL_ID, &config.folder.join("control.db"), CONTROL)?;
        let (known, reloading) = (ArcSwap::default(), Mutex::new(()));
        let tenants = Self { files, control, known, reloading, box_key, entropy: Arc::clone(entropy) };
        tenants.reload()?;
        Ok(tenants)
    }

    fn reload(&self) -> Result<(), TenantError> {
        let _one = self.reloading.lock();
        let rows = self.control.read_now(store::tenants_list)?;
        let mut known = Known::default();
        for row in rows {
            let key = self.unwrap_key(row.id, &row.wrapped_key)?;
            let tenant = Arc::new(Tenant {
                id: row.id,
                routing: row.routing,
                handle: row.handle,
                name: row.name,
                is_active: row.is_active,
                key,
            });
            known.by_routing.insert(tenant.routing, Arc::clone(&tenant));
            known.by_id.insert(tenant.id, tenant);
        }
        self.known.store(Arc::new(known));
        Ok(())
    }

    fn unwrap_key(&self, id: TenantId, wrapped: &[u8]) -> Result<SealKey, VaultError> {
        let plain = self.box_key.open(&id.bytes(), wrapped)?;
        let bytes: [u8; KEY_LEN] = plain.try_into().map_err(|_length| VaultError::Sealed)?;
        SealKey::new(&bytes, Arc::clone(&self.entropy))
    }

    /// Makes a store: a row in `control.db`, then its file. A crash in between leaves a store without a file, which the first opening makes.
    pub async fn create(
        &self,
        ids: &IdMaker,
        now: Timestamp,
        handle: &str,
        name: &str,
    ) -> Result<Arc<Tenant>, TenantError> {
        let is_handle = handle.len() <= 63
            && handle.starts_with(|c: char| c.is_ascii_lowercase())
            && handle.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_handle {
            return Err(TenantError::Handle(handle.chars().take(63).collect()));
        }
        let id: TenantId = ids.make();
        let routing = u32::from_be_bytes(ids.random()).max(1);
        let wrapped_key = self.box_key.seal(&id.bytes(), &ids.random::<KEY_LEN>())?;
        let row = store::TenantRow {
            id,
            routing,
            handle: handle.to_owned(),
            name: name.to_owned(),
            is_active: true,
            wrapped_key,
        };
        let written = self
            .control
            .write(crate::infra::db::Lane::Interactive, move |batch| {
                batch.atomic(|tx, _ledger| store::tenant_insert(tx, &row, now))
            })
            .await;
        written.map_err(|error| {
            if error.is_unique_violation() { TenantError::Taken(handle.to_owned()) } else { error.into() }
        })?;
        self.reload()?;
        self.file(id)?;
        self.get(id).ok_or_else(|| TenantError::Db(DbError::Reopening))
    }

    /// The store with this id.
    pub fn get(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.known.load().by_id.get(&id).map(Arc::clone)
    }

    /// The store that a token's or channel's id belongs to.
    pub fn routed(&self, id: impl Into<Id>) -> Option<Arc<Tenant>> {
        let id: Id = id.into();
        self.known.load().by_routing.get(&id.routing()).map(Arc::clone)
    }

    /// All stores.
    pub fn all(&self) -> Vec<Arc<Tenant>> {
        let mut all: Vec<_> = self.known.load().by_id.values().map(Arc::clone).collect();
        all.sort_by_key(|tenant| tenant.id);
        all
    }

    /// The store's file, opened if need be. Opening blocks for some milliseconds.
    pub fn file(&self, id: TenantId) -> Result<Arc<StoreFile>, DbError> {
        self.files.open(id)
    }

    #[expect(clippy::disallowed_methods, reason = "opening is short, and each store is opened once")]
    /// The store's file without blocking the caller's thread when it is not open yet.
    pub async fn file_async(&self, id: TenantId) -> Result<Arc<StoreFile>, Fault> {
        if let Some(file) = self.files.opened(id) {
            return Ok(file);
        }
        let files = Arc::clone(&self.files);
        let opened = tokio::task::spawn_blocking(move || files.open(id)).await;
        opened.map_err(|error| Fault::broken(error.to_string()))?.map_err(Fault::from)
    }

    /// `control.db`.
    pub const fn control(&self) -> &Arc<StoreFile> {
        &self.control
    }

    /// The folder of a store.
    pub fn folder_of(&self, id: TenantId) -> PathBuf {
        self.files.folder_of(id)
    }

    /// Files that are open now.
    pub fn open_files(&self) -> Vec<Arc<StoreFile>> {
        self.files.all_open()
    }

    /// Closes everything; false when a writer did not come to rest in time.
    pub fn close(&self, deadline: std::time::Duration) -> bool {
        self.files.close_all(deadline)
    }
}

/// The path of a store's file under a data folder, for tools that work on a stopped store.
pub fn data_file(folder: &Path) -> PathBuf {
    folder.join("data.db")
}
